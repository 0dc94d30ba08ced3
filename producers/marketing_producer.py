"""Marketing: flat leads from web forms. Rarely a birth date, no street; missing values are empty
texts."""

from __future__ import annotations

from collections.abc import Iterator

from producers import command, demo
from producers.spelling import Habits
from producers.systems import (
    Document,
    Lines,
    System,
    german_date,
    iso_dates,
    joined_name,
    loose_phone,
    utc_stamps,
)
from producers.timeline import MARKETING

CAMPAIGNS = ("spring", "summer-sale", "newsletter", "referral", "trade-fair")
_TITLES = ("Ms.", "Mr.")


def compose(lines: Lines) -> Iterator[Document]:
    """Yield leads as people filled the form in: titles, capitals, phones in any shape."""
    who = lines.spelled
    rows = zip(
        lines.ids,
        utc_stamps(lines.opened),
        utc_stamps(lines.updated),
        lines.choice,
        who.gender.tolist(),
        iso_dates(who.born.tolist()),
        who.email,
        who.phone,
        who.city,
        who.postcode,
        who.firm,
        strict=True,
    )
    for row, (
        lead,
        created,
        updated,
        choice,
        gender,
        born,
        email,
        phone,
        city,
        postcode,
        company,
    ) in enumerate(rows):
        yield {
            "lead_id": lead,
            "created_at": created,
            "updated_at": updated,
            "campaign": CAMPAIGNS[choice % len(CAMPAIGNS)],
            "full_name": _as_typed(joined_name(who, row), choice >> 8, gender),
            "email": (email.upper() if choice % 29 == 0 else email) if email else "",
            "phone": loose_phone(phone, choice >> 16) or "",
            "birthday": german_date(born) or "",
            "city": city or "",
            "zip": postcode or "",
            "company": company or "",
        }


def _as_typed(name: str, choice: int, gender: int) -> str:
    kind = choice % 100
    if kind < 12:
        return f"{_TITLES[gender]} {name}"
    if kind < 18:
        return name.upper()
    if kind < 24:
        return name.lower()
    return f" {name}  " if kind < 27 else name


SYSTEM = System(
    name="marketing",
    number=MARKETING,
    prefix="LD",
    id_field="lead_id",
    habits=Habits(
        typo=0.03,
        nickname=0.12,
        middle=0.03,
        old_mail=0.4,
        old_phone=0.4,
        old_address=0.5,
        old_family=0.4,
        no_mail=0.06,
        no_phone=0.35,
        no_birth=0.85,
        no_city=0.3,
        placeholder=0.012,
    ),
    writes=(
        "given_name",
        "family_name",
        "email",
        "phone",
        "date_of_birth",
        "middle_name",
        "city",
        "firm",
    ),
    compose=compose,
    stamp=utc_stamps,
)

produce = demo.producer(SYSTEM)

if __name__ == "__main__":
    command.main(SYSTEM)
