"""From seven extracts to one golden table: ``build.py EXTRACTS OUT_DIR``.

Loads each extract as its system's source into the pipeline of ``MDM_HOME``, runs it, and writes the
golden customers (``golden.sql``) to ``golden_customers.duckdb`` and ``golden_customers.csv``.
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


def golden_customers() -> Sequence[Any]:
    """The rows of ``golden.sql``."""
    with opened(settings.load()) as warehouse, warehouse.engine.connect() as conn:
        return conn.execute(text((HERE / "golden.sql").read_text("utf-8"))).all()


def write(rows: Sequence[Any], folder: Path) -> None:
    """Write both files whole: under other names first, then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / ".golden_customers.duckdb.partial"
    listed = folder / ".golden_customers.csv.partial"
    database.unlink(missing_ok=True)
    with duckdb.connect(str(database)) as duck:
        duck.execute("SET TimeZone = 'UTC'")
        duck.execute(_CREATE)
        binds = ", ".join("?" * len(rows[0]))
        duck.executemany(f"INSERT INTO golden_customers VALUES ({binds})", [list(r) for r in rows])
        duck.execute(_AS_CSV, [str(listed)])
    os.replace(database, folder / "golden_customers.duckdb")
    os.replace(listed, folder / "golden_customers.csv")


def main(extracts: Path, target: Path) -> int:
    """The exit code: 0 when both files are written."""
    if code := run_pipeline(extracts):
        return code
    rows = golden_customers()
    write(rows, target)
    for row in rows:
        print(
            f"{row.composite_key:<20}{row.customer_name:<20}{row.data_quality_score:>6}  "
            f"{', '.join(row.source_systems)}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
