"""The survivorship rules of the configuration, in the form the SQL of phase 7 asks for.

The rules are numbers per record, compared within one customer (``gold/golden.sql``); this module
only says which rule and which order of sources hold, and gives them a digest, because a change of
rules rebuilds every customer.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import orjson

from mdm.attributes import ADDRESS, ATTRIBUTES, NAME
from mdm.config import Config

#: What wins together, from one record: the part's name in SQL and the attributes it covers.
PARTS: Final[dict[str, tuple[str, ...]]] = {
    "name": NAME,
    "email": ("email",),
    "phone": ("phone",),
    "date_of_birth": ("date_of_birth",),
    "gender": ("gender",),
    "address": ADDRESS,
    "tax_id": ("tax_id",),
    "customer_number": ("customer_number",),
    "organisation": ("organisation",),
}

#: Golden values depend on how this module and its SQL work, too: raise it when that changes.
_METHOD: Final = 1


def rule_of(config: Config, attributes: tuple[str, ...]) -> str:
    """The rule for attributes that win together: that of the first one that has its own."""
    rules = config.survivorship.rules
    return next((rules[a] for a in attributes if a in rules), config.survivorship.default)


def rule_params(config: Config) -> dict[str, str]:
    """``rule_<part>`` for every part of a customer, as bound parameters."""
    return {f"rule_{part}": rule_of(config, attributes) for part, attributes in PARTS.items()}


def sources_by_priority(config: Config) -> list[str]:
    """All configured sources, first the one whose values are trusted most.

    Those of ``survivorship.source_priority`` in its order, then the others by their ``priority``
    (smaller first) and their order in the file. Sources that left the file come after all.
    """
    listed = config.survivorship.source_priority
    others = sorted(
        (name for name in config.sources if name not in listed),
        key=lambda name: config.sources[name].priority,
    )
    return [*listed, *others]


def extra_rules(config: Config) -> dict[str, str]:
    """The rule of each further attribute, in the order of the configuration."""
    return {name: rule_of(config, (name,)) for name in config.attributes}


def rule_set(config: Config) -> dict[str, Any]:
    """The rules as they are kept with the lineage: rule per attribute, sources by priority."""
    per_attribute = {
        attribute: rule_of(config, attributes)
        for attributes in PARTS.values()
        for attribute in attributes
    }
    return {
        "attributes": {a: per_attribute[a] for a in ATTRIBUTES} | extra_rules(config),
        "default": config.survivorship.default,
        "sources": sources_by_priority(config),
    }


def rule_set_digest(config: Config) -> str:
    """SHA-256 of the rule set: the key of its row in ``gold.survivorship_rule_sets``."""
    return _digest(rule_set(config))


def digest(config: Config) -> str:
    """SHA-256 of all that golden rows are made by; another one means that all are rebuilt."""
    return _digest(
        {
            "method": _METHOD,
            "rules": rule_set(config),
            "expected": config.quality.expected,
            "stale_after_days": config.quality.stale_after_days,
        }
    )


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
