"""Phase 6: every live record gets a global customer id, and keeps it for life.

Reads profiles, scored pairs and steward decisions, clusters them, gives each cluster the id that
most of its records had before (``assignment.sql``) and applies the difference to what is published
(``publish.sql``). Without a change in any of these it writes nothing.
"""

from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import binary_copy
from db.queries import load, query
from identity import first_load, scope
from identity.assignment import DECISIONS, Members, assign, keep
from identity.graph import Ints, OwnNodes, read_graph, read_nodes
from identity.partition import Partition, partition
from mdm.errors import MdmError
from mdm.phases import PhaseReport, RunContext

_METHOD = "2"
"""Version of the clustering and its reading of pairs: a new one makes unchanged data be resolved
again, and its merges and splits a model change."""

_UNSETTLED = (("record", "i8"), ("customer", "S16"))
_NONE = np.empty(0, dtype=np.int64)
_ANALYZE_SHARE = 0.1  # of the map: fewer rows written do not change a plan
_GRAPH, _SQL, _PUBLISH = "identity/graph.sql", "identity/assignment.sql", "identity/publish.sql"
_ASSIGNMENT = (
    "create_members",
    "create_evidence",
    "create_overlap",
    "analyze_evidence",
    "create_split_parts",
    "create_preference",
    "add_targets",
    "create_followers",
    "add_revived_targets",
    "add_new_targets",
    "create_gone",
    "analyze_target",
    "create_changes",
)
_PUBLICATION = (
    "create_next",
    "insert_new_customers",
    "insert_events",
    "end_merged_customers",
    "revive_customers",
    "shorten_redirects",
    "redirect_followers",
    "delete_customers",
    "retire_records",
    "delete_gone",
    "update_map",
    "insert_map",
    "forget_retired",
    "create_next_clusters",
    "delete_clusters",
    "put_clusters",
)


@dataclass(frozen=True)
class State:
    """What customer ids are made from, as found now, and what of it the last resolution knew."""

    change_seq: int
    decision_id: int
    layers: str
    signature: str
    rules: str
    consumed_change_seq: int = 0
    consumed_decision_id: int = 0
    consumed_layers: str | None = None
    consumed_signature: str | None = None
    consumed_rules: str | None = None

    @property
    def is_unchanged(self) -> bool:
        return self.signature == self.consumed_signature

    @property
    def rules_changed(self) -> bool:
        return self.consumed_rules not in (None, self.rules)


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """The report of one resolution of all live records.

    Writes ``identity.customers``, ``customer_identity_map``, ``retired_records``,
    ``identity_events``, ``customer_clusters`` and ``consumption``; safe to run again. Raises
    MdmError when a layer before is not there (a server crash empties them), because resolving
    nothing would end every customer.
    """
    state = read_state(conn, ctx)
    if state.is_unchanged and not ctx.full:
        return _unchanged()
    only_words = state.layers == state.consumed_layers and bool(state.layers)
    return resolve(conn, ctx, state, rescored=_NONE if only_words else _rescored(conn))


def resolve(
    conn: Connection, ctx: RunContext, state: State, *, rescored: Ints | None
) -> PhaseReport:
    """The report of a resolution of touched customers, or of all.

    ``rescored`` are the profiles at the ends of all pairs that came, went or were scored anew since
    the last resolution; None when that is not known. Then everything is looked at, as it is with
    ``ctx.full``, before the first resolution and after a change of rules. The result is the same.
    """
    merge_flagged = ctx.config.identity.merge_flagged
    is_first = first_load.is_first(conn)
    is_whole = is_first or ctx.full or state.consumed_rules != state.rules
    poverty = _poor_profile_rules(ctx)
    with ctx.progress("identity", 4, "steps") as bar:
        conn.execute(query(_SQL, "drop_temporary"))
        met, started = None, time.monotonic()
        if is_whole or rescored is None:
            profiles, pairs = scope.look_at_all(conn, poverty)
        else:
            met = scope.look_at_touched(
                conn,
                change_seq=state.consumed_change_seq,
                decision_id=state.consumed_decision_id,
                rescored=rescored,
                merge_flagged=merge_flagged,
                poverty=poverty,
            )
            profiles, pairs = met.profiles, met.pairs
        own, place = read_nodes(conn, profiles)
        graph = read_graph(conn, own, place, pairs, merge_flagged=merge_flagged)
        bar.update()
        with ThreadPoolExecutor(1) as database:  # it is idle while clusters are found
            inputs = database.submit(first_load.read_inputs, conn) if is_first else None
            known = database.submit(scope.read_clusters, conn, met.members) if met else None
            clusters = partition(
                graph,
                auto_merge=ctx.config.matching.auto_merge,
                review=ctx.config.matching.review,
                merge_flagged=merge_flagged,
            )
        clustering_seconds = time.monotonic() - started
        bar.update()
        if known is not None:
            known.result()
        if inputs is not None:
            report = first_load.publish(conn, ctx, inputs.result(), own, clusters)
        else:
            members = met.members if met else scope.read_all_members(conn)
            _load(conn, members, own, clusters)
            for name in _ASSIGNMENT:
                conn.execute(query(_SQL, name))
            report = _report(
                conn,
                looked_at=len(members.record),
                written=_publish(conn, ctx, state),
                whole=met is None,
            )
        bar.update()
        _record_consumption(conn, ctx, state)
        if report.rows_out > _ANALYZE_SHARE * conn.execute(query(_PUBLISH, "mapped")).scalar_one():
            # The phases behind plan on these tables within this very transaction.
            conn.execute(query(_PUBLISH, "analyze_published"))
        bar.update()
    # From the first pair read to all clusters known: a requirement speaks of this time.
    return replace(
        report, detail=report.detail | {"clustering_seconds": round(clustering_seconds, 3)}
    )


def _rescored(conn: Connection) -> Ints | None:
    """The profiles whose scored pairs changed since the last resolution; None where any may."""
    if not conn.execute(query(_GRAPH, "has_seen_all_pairs")).scalar_one():
        return None
    columns = binary_copy.read_parts(conn, load(_GRAPH)["rescored"], (("profile", "i8"),))
    return columns["profile"]


def read_state(conn: Connection, ctx: RunContext) -> State:
    """The state found now. Raises MdmError when a layer before is not there."""
    found = conn.execute(query(_GRAPH, "signature")).one()
    if not found.has_inputs:
        raise _missing("identity inputs")
    if not (found.has_pairs or found.can_do_without):
        raise _missing("scored pairs")
    config = ctx.config
    rules = _digest(
        _METHOD,
        found.model_version,
        config.matching.model_dump_json(),
        config.identity.model_dump_json(),
        json.dumps(_poor_profile_rules(ctx)),
    )
    consumed = conn.execute(query(_GRAPH, "consumption")).one_or_none()
    state = State(
        change_seq=found.change_seq,
        decision_id=found.decision_id,
        layers=found.layers if found.has_pairs else "",
        # Pairs that no marker vouches for may have changed: then no state is like another.
        signature=_digest(rules, found.layers, found.decision_id)
        if found.has_pairs
        else f"unmarked pairs of run {ctx.run_id}",
        rules=rules,
    )
    if consumed is None:
        return state
    return replace(
        state,
        consumed_change_seq=consumed.change_seq,
        consumed_decision_id=consumed.decision_id,
        consumed_layers=consumed.layers,
        consumed_signature=consumed.signature,
        consumed_rules=consumed.rules,
    )


def _missing(layer: str) -> MdmError:
    return MdmError(
        f"Identity resolution found no {layer}: their phase has not run, or a crash of the "
        "database server emptied them. Customers were left as they are. "
        "Run `mdm run --from identity_inputs`."
    )


def _digest(*parts: object) -> str:
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()


def _poor_profile_rules(ctx: RunContext) -> dict[str, Any]:
    """What makes even a poor profile tell people apart: further identifiers, exact rules."""
    identifiers = [n for n, a in ctx.config.attributes.items() if a.type == "identifier"]
    return {
        "identifiers": identifiers,
        "always_match": json.dumps(ctx.config.matching.always_match),
    }


def _load(conn: Connection, members: Members, own: OwnNodes, clusters: Partition) -> None:
    """Fills the temporary tables: clusters, who keeps their id, who is put before the rules."""
    members = members.where(np.argsort(members.record))
    found = assign(members.record, members.profile, own, clusters)
    unsettled = binary_copy.read_parts(conn, load(_SQL)["select_unsettled"], _UNSETTLED)
    kept = keep(members, found, returning=unsettled["record"], unsettled=unsettled["customer"])
    is_kept = kept.is_kept[found.customer]
    questioned = (~is_kept).nonzero()[0]
    changed = (
        is_kept
        & (
            (members.mapped_record != members.record)
            | (members.mapped_profile != members.profile)
            | (members.confidence != found.confidence)
            | (members.decision != found.decision)
        )
    ).nonzero()[0]
    tables: dict[str, dict[str, NDArray[Any]]] = {
        "identity_questioned": {
            "record_id": members.record[questioned],
            "cluster": found.customer[questioned],
            "confidence": found.confidence[questioned],
            "decision": found.decision[questioned],
            "mapped_record_id": members.mapped_record[questioned],
        },
        "identity_kept": {
            "record_id": members.record[changed],
            "profile_id": members.profile[changed],
            "global_customer_id": kept.id[found.customer[changed]],
            "confidence": found.confidence[changed],
            "decision": found.decision[changed],
            "mapped_record_id": members.mapped_record[changed],
        },
        "identity_sizes": {
            "cluster": np.arange(len(found.record_n)),
            "record_n": found.record_n.astype(np.int32),
            # Customers are numbered by these.
            "first_record_id": found.record[
                np.diff(np.maximum.accumulate(found.customer), prepend=-1) > 0
            ],
        },
        "identity_cluster_links": {
            "cluster": found.customer_of,
            "profile_n": clusters.profile_n,
            "confidence": clusters.cluster_confidence,
            "profile_l": clusters.weakest_l,
            "profile_r": clusters.weakest_r,
            "probability": clusters.weakest_probability,
        },
        "identity_target": {
            "cluster": kept.is_kept.nonzero()[0],
            "global_customer_id": kept.id[kept.is_kept],
            "record_n": found.record_n[kept.is_kept],
        },
    }
    for name in ("create_questioned", "create_cluster_links", "create_target"):
        conn.execute(query(_SQL, name))
    for name, columns in tables.items():
        binary_copy.write_columns(conn, ("pg_temp", name), columns)
    conn.execute(query(_SQL, "analyze_clusters"))


def _publish(conn: Connection, ctx: RunContext, state: State) -> int:
    """Rows of the identity map that were written."""
    parameters = {
        "as_of": ctx.as_of,
        "run_id": ctx.run_id,
        "change_seq": state.consumed_change_seq,
        "decision_id": state.consumed_decision_id,
        "rules_changed": state.rules_changed,
        "decisions": DECISIONS,
    }
    written = {}
    for name in _PUBLICATION:
        written[name] = conn.execute(query(_PUBLISH, name), parameters).rowcount
    return written["insert_map"] + written["update_map"] + written["delete_gone"]


def _record_consumption(conn: Connection, ctx: RunContext, state: State) -> None:
    conn.execute(
        query(_PUBLISH, "record_consumption"),
        {
            "change_seq": state.change_seq,
            "decision_id": state.decision_id,
            "layers": state.layers,
            "signature": state.signature,
            "rules": state.rules,
            "merges_flagged": ctx.config.identity.merge_flagged,
            "run_id": ctx.run_id,
        },
    )


def _unchanged() -> PhaseReport:
    return PhaseReport(rows_in=0, rows_out=0, detail={"unchanged": True})


def _report(conn: Connection, *, looked_at: int, written: int, whole: bool) -> PhaseReport:
    events = {row.event_type: row.n for row in conn.execute(query(_PUBLISH, "changes_by_type"))}
    new = conn.execute(query(_PUBLISH, "new_customers")).scalar_one()
    detail: dict[str, Any] = {
        "new": new,
        "merged": events.get("MERGE", 0),
        "split": events.get("SPLIT", 0),
        "moved": events.get("MOVE", 0),
        "deleted": events.get("DELETE", 0),
        "resurrected": events.get("RESURRECT", 0),
    }
    if whole:
        detail |= _shape(conn)
    return PhaseReport(
        rows_in=looked_at,
        rows_out=written,
        detail=detail,
    )


def _shape(conn: Connection) -> dict[str, Any]:
    """How large customers are. Only where all were looked at."""
    sizes = {row.name: row.n for row in conn.execute(query(_PUBLISH, "sizes"))}
    return {
        "customers": sum(sizes.values()),
        "customers_by_records": sizes,
        "largest": [
            {
                "global_customer_id": str(row.global_customer_id),
                "records": row.record_n,
                "profiles": row.profile_n,
            }
            for row in conn.execute(query(_PUBLISH, "largest"))
        ],
    }


if __name__ == "__main__":
    from mdm.standalone import main

    main("identity")
