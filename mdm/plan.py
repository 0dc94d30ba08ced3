"""Plan before publish: what a run would change, told before anybody can see it.

A plan is a real run inside a transaction that is rolled back: the same code on the same tables, so
it cannot differ from what publishing would do. ``apply`` runs again and commits only when the
changes are the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Engine

from db.queries import query
from mdm.config import Publish
from mdm.errors import MdmError, UsageError
from mdm.runs import dumps

_FILE = "mdm/plan.sql"


class PlanMoved(MdmError):
    """What a plan would change is no longer what publishing would change."""


@dataclass(frozen=True)
class Difference:
    """What a run changes: counts, customers per changed attribute, and the strangest ten."""

    inserted: int
    updated: int
    merged: int
    split: int
    deleted: int
    customers_after: int
    largest: int
    attributes: dict[str, int]
    strangest: list[dict[str, Any]]

    @property
    def customers_before(self) -> int:
        """Customers that stood before the run."""
        return self.customers_after - self.inserted - self.split + self.merged + self.deleted


@dataclass(frozen=True)
class Plan:
    """A difference on record, waiting for a decision."""

    plan_id: int
    state: str
    config_hash: str
    digest: str
    reasons: tuple[str, ...]
    difference: Difference


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, (int, list)) else str(value)


def last_event(conn: Connection) -> int:
    """The sequence of the newest change event; 0 when there is none."""
    return int(conn.execute(query(_FILE, "last_event")).scalar_one())


def difference(conn: Connection, after_seq: int) -> Difference:
    """What the events after ``after_seq`` change, as this transaction sees them."""
    after = {"after_seq": after_seq}
    counts = conn.execute(query(_FILE, "counts"), after).one()
    attributes = conn.execute(query(_FILE, "changed_attributes"), after)
    strangest = conn.execute(query(_FILE, "strangest"), after).mappings()
    return Difference(
        inserted=counts.inserted_n,
        updated=counts.updated_n,
        merged=counts.merged_n,
        split=counts.split_n,
        deleted=counts.deleted_n,
        customers_after=counts.customers_n,
        largest=counts.largest_n,
        attributes={row.attribute: row.n for row in attributes},
        strangest=[{key: _plain(value) for key, value in row.items()} for row in strangest],
    )


def digest(conn: Connection, after_seq: int) -> str:
    """One value for all changes after ``after_seq``; equal for two runs that change the same."""
    return str(conn.execute(query(_FILE, "digest"), {"after_seq": after_seq}).scalar_one())


def exceeded(found: Difference, limits: Publish) -> list[str]:
    """The limits of ``[publish]`` that a difference passes, in words; none on a first load."""
    before = found.customers_before
    if before <= 0:
        return []
    shares = (
        ("merged", found.merged, limits.max_merged_share),
        ("split", found.split, limits.max_split_share),
        ("deleted", found.deleted, limits.max_deleted_share),
    )
    reasons = [
        f"{n:,} of {before:,} customers {word} ({n / before:.1%}), "
        f"more than publish.max_{word}_share = {limit:g} allows"
        for word, n, limit in shares
        if limit is not None and n > limit * before
    ]
    if limits.max_cluster_size is not None and found.largest > limits.max_cluster_size:
        reasons.append(
            f"the largest customer has {found.largest:,} records, "
            f"more than publish.max_cluster_size = {limits.max_cluster_size:,} allows"
        )
    return reasons


def save(
    engine: Engine,
    found: Difference,
    *,
    run_id: int,
    config_hash: str,
    digest: str,
    reasons: Sequence[str] = (),
) -> int:
    """The number of a new waiting plan; plans that waited before it are discarded."""
    with engine.begin() as conn:
        parameters = {
            "run_id": run_id,
            "config_hash": config_hash,
            "digest": digest,
            "reasons": list(reasons),
            "difference": dumps(asdict(found)),
        }
        return int(conn.execute(query(_FILE, "save"), parameters).scalar_one())


def find(conn: Connection, plan_id: int) -> Plan:
    """The plan of that number. Raises UsageError when there is none."""
    row = conn.execute(query(_FILE, "find"), {"plan_id": plan_id}).one_or_none()
    if row is None:
        raise UsageError(f"there is no plan {plan_id}; ops.plans lists them")
    return Plan(
        row.plan_id,
        row.state,
        row.config_hash,
        row.digest,
        tuple(row.reasons),
        Difference(**row.difference),
    )


def must_match(conn: Connection, planned: Plan, *, after_seq: int) -> None:
    """Check that this transaction changes exactly what the plan said, and mark it applied.

    Raises PlanMoved that tells both differences; the caller's transaction is then rolled back.
    """
    if digest(conn, after_seq) != planned.digest:
        now = difference(conn, after_seq)
        raise PlanMoved(
            f"plan {planned.plan_id} is out of date; nothing was published. It said: "
            f"{told(planned.difference)}. Now it would be: {told(now)}. Make a new plan: mdm plan"
        )
    conn.execute(query(_FILE, "mark_applied"), {"plan_id": planned.plan_id})


def told(found: Difference) -> str:
    """A difference in one line."""
    return (
        f"{found.inserted:,} new, {found.updated:,} changed, {found.merged:,} merged, "
        f"{found.split:,} split, {found.deleted:,} deleted "
        f"({found.customers_before:,} → {found.customers_after:,} customers)"
    )
