"""The capstone's three files, out of the golden customers: master, duplicates, log.

``unify.py IN_DIR OUT_DIR`` loads the two extracts into the pipeline of ``MDM_HOME``, runs it, and
writes what the gold and identity layers say in the exercise's own form. Either all files are
written or, with the error in the log, none but the log.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import phonenumbers
from sqlalchemy import text

from mdm import settings
from mdm.cli import execute
from mdm.warehouse import opened

HERE = Path(__file__).resolve().parent
EXTRACTS = {"CRM": "crm_customers.csv", "ECOM": "ecommerce_customers.json"}
MASTER = ["unified_id", "full_name", "email", "phone", "signup_date", "source_system", "status"]
DUPLICATES = ["kept_id", "removed_ids", "match_reason", "removed_sources"]
NOTHING = "N/A"
_REASONS = ("email", "phone", "name")
# A capital inside a word that begins with one is meant: McDonald, DeVito.
_MEANT = re.compile(r"[A-Z][a-z]+[A-Z][a-z]+,?")


class Failed(Exception):
    """The customers cannot be unified; the message is for the person who asked."""


class Log:
    """The lines of integration_log.txt: instant (UTC), level, message."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, level: str, message: str) -> None:
        """One line; warnings and errors are told at the terminal, too."""
        line = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {level} {message}"
        self.lines.append(line)
        if level != "INFO":
            print(line, file=sys.stderr)


@dataclass(frozen=True)
class Customer:
    """One customer and its source records, the kept one first."""

    unified_id: str
    records: Sequence[Any]

    @property
    def kept(self) -> Any:
        """The record that came first."""
        return self.records[0]

    @property
    def removed(self) -> Sequence[Any]:
        """The duplicates of the kept record."""
        return self.records[1:]

    def master_row(self) -> tuple[str, ...]:
        """The customer's line of the master file."""
        kept = self.kept
        sources = "+".join(dict.fromkeys(record.source for record in self.records))
        dates = [record.signup_date for record in self.records if record.signup_date]
        # whom only the shop knows is active: it has an account there
        status = kept.golden_status or ("active" if sources == "ECOM" else None)
        shown = (
            self.unified_id,
            title_case(kept.golden_name or ""),
            kept.golden_email,
            national_digits(kept.golden_phone or ""),
            min(dates, default=None),
            sources,
            status,
        )
        return tuple(value or NOTHING for value in shown)

    def duplicate_row(self) -> tuple[str, ...]:
        """The customer's line of the duplicate report."""
        return (
            self.kept.source_record_id,
            ";".join(record.source_record_id for record in self.removed),
            "+".join(reasons(itertools.combinations(self.records, 2))),
            "+".join(dict.fromkeys(record.source for record in self.removed)),
        )


def reasons(pairs: Iterable[tuple[Any, Any]]) -> list[str]:
    """On what records of any of the pairs agree; a blank agrees with nothing."""
    found = {
        name
        for one, other in pairs
        for name in _REASONS
        if getattr(one, name) and getattr(one, name) == getattr(other, name)
    }
    return [name for name in _REASONS if name in found]


def title_case(name: str) -> str:
    """A name with capital initials: "JANE o'neil-doe" is Jane O'Neil-Doe, McDonald stays."""
    words = name.split()
    return " ".join(word if _MEANT.fullmatch(word) else word.title() for word in words)


def national_digits(phone: str) -> str:
    """The digits of a number as dialled in its country: +1 202 555 0143 is 2025550143."""
    if not phone.startswith("+"):
        return phone  # the pipeline keeps what is no whole number as national digits already
    return str(phonenumbers.national_significant_number(phonenumbers.parse(phone)))


def grouped(records: Iterable[Any]) -> list[Customer]:
    """The customers in the order of their first records, numbered CUST001 and on."""
    members: dict[Any, list[Any]] = {}
    for record in records:
        members.setdefault(record.global_customer_id, []).append(record)
    return [
        Customer(f"CUST{number:03d}", found) for number, found in enumerate(members.values(), 1)
    ]


def call_mdm(*words: str) -> None:
    """Run an ``mdm`` command of this example's configuration. Raises Failed with its error."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
        code = execute(["--config", str(HERE / "mdm.toml"), *words])
    if code:
        raise Failed(told.getvalue().strip().splitlines()[-1])


def unified(folder: Path, log: Log) -> list[Customer]:
    """The customers of the extracts in ``folder``, through the whole pipeline."""
    files = {source: folder / name for source, name in EXTRACTS.items()}
    if missing := [path for path in files.values() if not path.is_file()]:
        raise Failed("; ".join(f"{path}: no such file" for path in missing))
    for source, path in files.items():
        call_mdm("load", str(path), "--source", source)
    call_mdm("run")
    with opened(settings.load()) as warehouse, warehouse.engine.connect() as conn:
        records = conn.execute(text((HERE / "records.sql").read_text("utf-8"))).all()
        refused = conn.execute(
            text("SELECT source, line_no, reason FROM raw.rejected_lines ORDER BY 1, 2")
        ).all()
    for source, name in EXTRACTS.items():
        loaded = sum(record.source == source for record in records)
        log.add("INFO", f"Loaded {loaded} records from {source} ({name})")
    for row in refused:
        log.add("WARNING", f"Record {row.line_no} of {row.source} was refused: {row.reason}")
    return grouped(records)


def tell(customers: Sequence[Customer], log: Log) -> None:
    """Put every merge with its reason and the counts on the log."""
    for customer in customers:
        for removed in customer.removed:
            others = [record for record in customer.records if record is not removed]
            why = "+".join(reasons((removed, other) for other in others))
            log.add(
                "INFO",
                f"Merged {removed.source_record_id} ({removed.source}) into "
                f"{customer.kept.source_record_id} as {customer.unified_id}: same {why}",
            )
    log.add("INFO", f"Duplicates found: {sum(len(one.removed) for one in customers)}")
    log.add("INFO", f"Final customer count: {len(customers)}")


def as_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """CSV with line feeds, quoted where it must be."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def outputs(customers: Sequence[Customer]) -> Iterator[tuple[str, str]]:
    """Name and content of the files beside the log."""
    yield "customer_master.csv", as_csv(MASTER, (one.master_row() for one in customers))
    merged = [one.duplicate_row() for one in customers if one.removed]
    yield "duplicate_report.csv", as_csv(DUPLICATES, merged)


def write(folder: Path, files: Iterable[tuple[str, str]]) -> None:
    """Write the files whole: under other names first, then all renamed."""
    ready = []
    for name, content in files:
        partial = folder / f".{name}.partial"
        partial.write_text(content, encoding="utf-8", newline="")
        ready.append((partial, folder / name))
    for partial, target in ready:
        os.replace(partial, target)


def main(source: Path, target: Path) -> int:
    """The exit code: 0 when the three files are written."""
    log = Log()
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        log.add("ERROR", f"{target} cannot be a folder for the output: {error.strerror}")
        return 1
    try:
        customers = unified(source, log)
        tell(customers, log)
        files = list(outputs(customers))
    except Failed as error:
        problem = str(error).removeprefix("Error: ").rstrip(".")
        log.add("ERROR", f"{problem}. No customer was written.")
        files = []
    write(target, [*files, ("integration_log.txt", "\n".join(log.lines) + "\n")])
    return 0 if files else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
