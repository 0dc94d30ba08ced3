"""From seven extracts to one golden table: ``build.py EXTRACTS OUT_DIR``.

Loads each extract as its system's source into the pipeline of ``MDM_HOME``, runs it, and writes the
golden customers (``golden.sql``) to ``golden_customers.duckdb`` and ``golden_customers.csv``. The
database also holds every way to reach them (``contact_points``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import text

from mdm import settings
from mdm.cli import execute
from mdm.warehouse import opened

HERE = Path(__file__).resolve().parent
#: Source -> its extract and what `mdm load` must be told to read it.
EXTRACTS: dict[str, tuple[str, ...]] = {
    "billing": ("billing.parquet",),
    "crm": ("crm.json", "--path", "accounts"),
    "erp": ("erp.csv",),
    "finance": ("finance.xlsx", "--sheet", "Customers"),
    "marketing": ("marketing.jsonl",),
    "support": ("support.sqlite", "--table", "requesters"),
    "legacy": ("legacy.duckdb", "--table", "dw_customer"),
}
_CREATE = """
CREATE TABLE golden_customers (
    composite_key VARCHAR PRIMARY KEY, customer_name VARCHAR, primary_source VARCHAR,
    data_quality_score DECIMAL(4, 3), source_systems VARCHAR[], email VARCHAR, phone VARCHAR,
    street VARCHAR, city VARCHAR, postcode VARCHAR, country VARCHAR, record_count BIGINT,
    conflict_rules_applied VARCHAR[], created_at TIMESTAMPTZ, last_updated_at TIMESTAMPTZ,
    global_customer_id UUID)
"""
_CREATE_POINTS = """
CREATE TABLE contact_points (
    global_customer_id UUID, kind VARCHAR, value VARCHAR, is_canonical BOOLEAN, sources VARCHAR[],
    first_seen_at TIMESTAMPTZ, last_seen_at TIMESTAMPTZ)
"""
# Lists as text that a spreadsheet shows; everything else as it is.
_AS_CSV = """
COPY (SELECT * REPLACE (array_to_string(source_systems, '; ') AS source_systems,
                        array_to_string(conflict_rules_applied, '; ') AS conflict_rules_applied)
      FROM golden_customers ORDER BY composite_key) TO $1 (FORMAT csv, HEADER)
"""


def run_pipeline(extracts: Path) -> int:
    """The exit code of loading every extract and running the pipeline."""
    configured = ["--config", str(HERE / "mdm.toml")]
    for source, (name, *options) in EXTRACTS.items():
        file = str(extracts / name)
        if code := execute([*configured, "load", file, "--source", source, *options]):
            return code
    return execute([*configured, "run"])


def golden_customers() -> tuple[Sequence[Any], Sequence[Any]]:
    """The rows of ``golden.sql``, and of the customers' contact points."""
    with opened(settings.load()) as warehouse, warehouse.engine.connect() as conn:
        customers = conn.execute(text((HERE / "golden.sql").read_text("utf-8"))).all()
        points = conn.execute(
            text(
                "SELECT global_customer_id, kind, value, is_canonical, sources, first_seen_at,"
                " last_seen_at FROM gold.customer_contact_points ORDER BY 1, 2, 3"
            )
        ).all()
    return customers, points


def write(customers: Sequence[Any], points: Sequence[Any], folder: Path) -> None:
    """Write both files whole: under other names first, then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / ".golden_customers.duckdb.partial"
    listed = folder / ".golden_customers.csv.partial"
    database.unlink(missing_ok=True)
    with duckdb.connect(str(database)) as duck:
        duck.execute("SET TimeZone = 'UTC'")
        duck.execute(_CREATE)
        duck.execute(_CREATE_POINTS)
        for table, rows in (("golden_customers", customers), ("contact_points", points)):
            binds = ", ".join("?" * len(rows[0]))
            duck.executemany(f"INSERT INTO {table} VALUES ({binds})", [list(row) for row in rows])
        duck.execute(_AS_CSV, [str(listed)])
    os.replace(database, folder / "golden_customers.duckdb")
    os.replace(listed, folder / "golden_customers.csv")


def main(extracts: Path, target: Path) -> int:
    """The exit code: 0 when both files are written."""
    if code := run_pipeline(extracts):
        return code
    customers, points = golden_customers()
    write(customers, points, target)
    for row in customers:
        print(
            f"{row.composite_key:<20}{row.customer_name:<20}{row.data_quality_score:>6}  "
            f"{', '.join(row.source_systems)}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
