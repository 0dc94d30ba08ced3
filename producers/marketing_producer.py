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
    created, updated = utc_stamps(lines.opened), utc_stamps(lines.updated)
    born = iso_dates(who.born.tolist())
    for row, (lead, choice) in enumerate(zip(lines.ids, lines.choice, strict=True)):
        email = who.email[row] or ""
        yield {
            "lead_id": lead,
            "created_at": created[row],
            "updated_at": updated[row],
            "campaign": CAMPAIGNS[choice % len(CAMPAIGNS)],
            "full_name": _as_typed(joined_name(who, row), choice >> 8, int(who.gender[row])),
            "email": email.upper() if choice % 29 == 0 else email,
            "phone": loose_phone(who.phone[row], choice >> 16) or "",
            "birthday": german_date(born[row]) or "",
            "city": who.city[row] or "",
            "zip": who.postcode[row] or "",
            "company": who.firm[row] or "",
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
