"""Which blocking rules run, and how many pairs they may make."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mdm.config import Config

NEEDS: Mapping[str, tuple[str, ...]] = {
    "tax_id": ("tax_id",),
    "customer_number": ("customer_number",),
    "identifiers": ("extra",),
    "email": ("email",),
    "phone": ("phone",),
    "name_birth": ("given_name", "date_of_birth"),
    "name_postcode": ("given_name", "postcode"),
    "full_name": ("given_name",),
    "organisation": ("organisation",),
    "street_number": ("street",),
    "email_local": ("email",),
    "birth_postcode": ("date_of_birth", "postcode"),
    "birth_city": ("date_of_birth", "city"),
    "initial_birth": ("given_name", "date_of_birth"),
    "sound_city": ("given_name", "city"),
    "sounds": ("given_name",),
    "sound_birth_year": ("given_name", "date_of_birth"),
    "sound_area": ("given_name", "postcode"),
    "organisation_postcode": ("organisation", "postcode"),
    "street": ("street",),
    "name_start": ("given_name",),
    "organisation_words": ("organisation",),
    "name_words": ("extra",),
    "texts": ("extra",),
    "birth": ("date_of_birth",),
    "name_starts": ("given_name",),
    "phone_part": ("phone",),
    "number_start": ("street",),
}
"""The rules in their order, and the attributes without which a rule finds nothing."""

WIDE: Final = frozenset(
    (
        "birth_postcode", "birth_city", "initial_birth", "sound_city", "sounds",
        "sound_birth_year", "sound_area", "street", "name_start", "organisation_words",
        "name_words",
    )
)  # fmt: skip
"""Rules that pay off where strong attributes are rare or the data small enough to afford them."""

WIDEST: Final = frozenset(("texts", "birth", "name_starts", "phone_part", "number_start"))
"""Rules whose blocks grow with the file: of a small one they find what is mistyped twice. They are
spared where there are more than FINE_DATA profiles."""

STRONG: Final = ("email", "phone", "street", "tax_id", "customer_number")
SMALL_DATA: Final = 100_000
FINE_DATA: Final = 50_000
LEAST_BUDGET: Final = 4_000_000
_KEPT_AS: Final = "6"
"""Version of keys and of what is kept of them: under another, everything is made anew."""


@dataclass(frozen=True)
class Plan:
    """The rules in use (number and name), the most pairs they may make, and what that rests on."""

    rules: tuple[tuple[int, str], ...]
    budget: int
    fill: Mapping[str, int]


def plan(fill: Mapping[str, int], config: Config) -> Plan:
    """Which rules to use on profiles filled like ``fill``, and the pair budget they share.

    ``fill`` counts ``profiles_n``, and by attribute the profiles that have it.

    Rules named in ``[matching] blocking`` are taken, in our order. Else every rule whose attributes
    exist is; of a large file rich in e-mails, phones and addresses the wide ones are spared, for
    they would cost most of the pairs and find next to nothing new, and so are the widest of any but
    a small file.
    """
    total = fill["profiles_n"]
    strong = sum(fill[name] for name in STRONG) / max(total, 1)
    spare = total > SMALL_DATA and strong >= 1.5
    spared = (WIDEST if total > FINE_DATA else frozenset()) | (WIDE if spare else frozenset())
    chosen = set(config.matching.blocking or NEEDS.keys() - spared)
    rules = tuple(
        (number, name)
        for number, (name, needs) in enumerate(NEEDS.items(), start=1)
        if name in chosen and all(fill[need] for need in needs)
    )
    budget = max(int(config.matching.pairs_per_profile * total), LEAST_BUDGET)
    return Plan(rules, budget, fill)


def digest(config: Config) -> str:
    """What of the configuration blocking depends on, in twelve digits."""
    parts = [
        _KEPT_AS,
        repr(config.matching.blocking),
        str(config.matching.max_block_size),
        str(config.matching.pairs_per_profile),
        repr(sorted((name, one.type) for name, one in config.attributes.items())),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
