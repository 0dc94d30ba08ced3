"""The page on the data model says what the database says."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from db.data_model import markdown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data_model.md"


def test_the_page_is_current(conn: Connection) -> None:
    """When this fails: ``mdm data-model > docs/data_model.md``."""
    assert PAGE.read_text(encoding="utf-8") == markdown(conn)
