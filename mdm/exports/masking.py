"""Masking personal data on its way out, inside the database: what is masked never leaves it.

``hash`` is HMAC-SHA-256 with the export key (first 128 bits, hexadecimal): equal values have equal
hashes in every export made with the key, so joins still work, and nobody without the key can try
values out. ``partial`` shows enough to recognise a value one knows. ``drop`` leaves nothing.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, cast, get_args

from psycopg2 import sql
from pydantic import SecretStr
from sqlalchemy import Connection

from db import bulk
from db.queries import load, query
from mdm.config import Config
from mdm.errors import ConfigError, UsageError
from mdm.exports.datasets import RECORD_ID, Dataset

How = Literal["hash", "partial", "drop"]
Masks = Mapping[str, How]

_FILE = "mdm/exports/exports.sql"
_BLOCK = 64  # bytes of a SHA-256 block
_MIN_KEY = 16
KEY_NAME: Final = "MDM_EXPORT_KEY"
#: What ``--mask pii`` means: whoever holds the export cannot name or reach a person, and can still
#: count by year of birth, district, city, region, country and gender.
PII: Final[Masks] = {
    "full_name": "hash",
    "given_name": "hash",
    "middle_name": "hash",
    "family_name": "hash",
    "email": "hash",
    "phone": "hash",
    "date_of_birth": "partial",
    "street": "hash",
    "postcode": "partial",
    "tax_id": "hash",
    "customer_number": "hash",
}
_PII_BY_TYPE: Final[Mapping[str, How]] = {
    "name": "hash",
    "text": "hash",
    "identifier": "hash",
    "date": "drop",
}
_PARTIAL: Final = {
    "email": "email",
    "phone": "phone",
    "date_of_birth": "date",
    "postcode": "postcode",
}


def parse(words: Sequence[str], config: Config) -> dict[str, How]:
    """The masks that ``--mask`` asks for: ``pii``, ``email`` (by hash) or ``phone=partial``.

    A later word outranks an earlier one. Raises UsageError for what is no attribute and no way to
    mask.
    """
    allowed = (*config.known_attributes, RECORD_ID)
    masks: dict[str, How] = {}
    for word in (part.strip() for words_of_one in words for part in words_of_one.split(",")):
        name, _, how = word.partition("=")
        if name == "pii" and not how:
            masks |= PII
            masks |= {
                further: _PII_BY_TYPE[attribute.type]
                for further, attribute in config.attributes.items()
                if attribute.type in _PII_BY_TYPE
            }
            continue
        name = name.removeprefix("canonical_")
        if name not in allowed:
            raise UsageError(
                f"--mask {word}: no such attribute; allowed: pii, {', '.join(allowed)}"
            )
        if how and how not in get_args(How):
            raise UsageError(f"--mask {word}: allowed after '=': {', '.join(get_args(How))}")
        masks[name] = cast(How, how or "hash")
    return masks


def give_key(conn: Connection, masks: Masks, key: SecretStr | None) -> None:
    """Hand the export key to this transaction when a mask needs it.

    Raises ConfigError when there is none or it is too short to keep a secret.
    """
    if "hash" not in masks.values():
        return
    secret = key.get_secret_value().encode() if key else b""
    if len(secret) < _MIN_KEY:
        raise ConfigError(
            f"masking by hash needs a key of at least {_MIN_KEY} characters",
            file=".env or the environment",
            key=KEY_NAME,
            allowed="a random text that stays the same, such as the output of openssl rand -hex 32",
        )
    inner, outer = pads(secret)
    conn.execute(query(_FILE, "create_mask_key"))
    row = f"\\x{inner.hex()},\\x{outer.hex()}\n".encode()
    bulk.copy_in(conn, ("export_mask_key",), ("inner_pad", "outer_pad"), io.BytesIO(row))


def pads(key: bytes) -> tuple[bytes, bytes]:
    """The key as the two blocks that HMAC (RFC 2104) puts before the inner and the outer hash."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


def column(dataset: Dataset, name: str, masks: Masks) -> sql.Composable | None:
    """The expression that shows column ``name`` masked; None where it is shown as it is."""
    if not masks:
        return None
    this = sql.Identifier(name)
    if name in dataset.verbatim:
        return sql.SQL("NULL")
    if name in dataset.columns:
        attribute = dataset.columns[name]
        how = masks.get(attribute)
        if how is None:
            return None
        masked = _masked(attribute, how, sql.SQL("CAST({} AS text)").format(this))
        # what was a date stays one; a hash cannot
        is_date = attribute == "date_of_birth" and how != "hash"
        return sql.SQL("CAST({} AS date)").format(masked) if is_date else masked
    if name in dataset.told:
        cases = sql.SQL(" ").join(
            sql.SQL("WHEN {} THEN {}").format(sql.Literal(attribute), _masked(attribute, how, this))
            for attribute, how in masks.items()
        )
        told_by = sql.Identifier(dataset.told[name])
        return sql.SQL("CASE {} {} ELSE {} END").format(told_by, cases, this)
    if name in dataset.extras:
        return _document(this, masks, prefix="")
    if name in dataset.documents:
        inner = _document(sql.SQL("({} -> 'extra')").format(this), masks, prefix="")
        extra = sql.SQL(
            "CASE WHEN {0} ? 'extra' THEN jsonb_build_object('extra', {1}) ELSE '{{}}' END"
        ).format(this, inner)
        return sql.SQL("{} || {}").format(_document(this, masks, prefix="canonical_"), extra)
    return None


def _document(document: sql.Composable, masks: Masks, *, prefix: str) -> sql.Composable:
    """A JSON object with the values of its masked keys replaced; keys it lacks stay lacking."""
    return sql.SQL(" || ").join([document, *_replacements(document, masks, prefix)])


def _replacements(document: sql.Composable, masks: Masks, prefix: str) -> Iterator[sql.Composable]:
    for attribute, how in masks.items():
        key = sql.Literal(prefix + attribute)
        value = sql.SQL("({} ->> {})").format(document, key)
        yield sql.SQL(
            "CASE WHEN {0} ? {1} THEN jsonb_build_object({1}, {2}) ELSE '{{}}' END"
        ).format(document, key, _masked(attribute, how, value))


def _masked(attribute: str, how: How, value: sql.Composable) -> sql.Composable:
    name = f"mask_{how}"
    if how == "partial" and attribute in _PARTIAL:
        name = f"mask_partial_{_PARTIAL[attribute]}"
    expression = load(_FILE)[name].partition("\n")[2]  # behind the comment on its purpose
    return sql.SQL("({})").format(sql.SQL(expression).format(value=value))
