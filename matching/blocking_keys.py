"""The keys of a blocking rule: its query in ``blocking_rules.sql``, made ready for COPY."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from db import bulk
from db.queries import load
from mdm.config import Config

_RULES = "matching/blocking_rules.sql"
_ATTRIBUTES: Mapping[str, str] = {"identifiers": "identifier", "names": "name", "texts": "text"}
"""Parameters of rules that are names of further attributes, and the type of these."""

ALL_PROFILES = "staging.profiles"
NEW_PROFILES = "pg_temp.new_profiles"
GONE_PROFILES = "staging.gone_profiles"
STIRRED_PROFILES = "pg_temp.stirred_profiles"


def key_query(
    conn: Connection, config: Config, rule_id: int, name: str, *, of: str = ALL_PROFILES
) -> str:
    """A SELECT of ``profile_id, rule_id, key`` with its parameters filled in, as COPY asks for.

    ``of`` names the table of profiles: one of those above.
    """
    lines = (line for line in load(_RULES)[name].splitlines() if not line.startswith("--"))
    body = "\n".join(lines).replace(":profiles", of)
    values: dict[str, object] = {"rule_id": rule_id}
    for parameter, kind in _ATTRIBUTES.items():
        values[parameter] = [key for key, one in config.attributes.items() if one.type == kind]
    for parameter in values:
        body = body.replace(f":{parameter}", f"%({parameter})s")
    with bulk.cursor(conn) as cursor:
        filled: bytes = cursor.mogrify(body, values)
    return filled.decode()
