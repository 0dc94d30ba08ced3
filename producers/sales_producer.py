"""The shop: orders as nested JSON. Knows addresses and often birth dates; a missing value is a
missing key."""

from __future__ import annotations

from collections.abc import Iterator

from producers import command, demo
from producers.spelling import Habits
from producers.systems import (
    SUFFIXES,
    Document,
    Lines,
    System,
    filled,
    iso_dates,
    national_phone,
    utc_stamps,
)
from producers.timeline import SALES


def compose(lines: Lines) -> Iterator[Document]:
    """Yield orders with the customer as the shop's form took them."""
    who = lines.spelled
    placed, updated = utc_stamps(lines.opened), utc_stamps(lines.updated)
    born = iso_dates(who.born.tolist())
    for row, (order, choice) in enumerate(zip(lines.ids, lines.choice, strict=True)):
        family, suffix = who.family[row], int(who.suffix[row])
        yield {
            "order_id": order,
            "placed_at": placed[row],
            "updated_at": updated[row],
            "total": {"amount": round(choice % 40_000 / 100 + 5, 2), "currency": "USD"},
            "customer": filled(
                {
                    "number": who.account[row],
                    "first_name": who.given[row],
                    "middle_name": who.middle[row],
                    "last_name": f"{family} {SUFFIXES[suffix]}" if suffix else family,
                    "birth_date": born[row],
                    "contact": filled(
                        {"email": who.email[row], "phone": national_phone(who.phone[row])}
                    ),
                }
            ),
            "ship_to": filled(
                {
                    "line1": who.street[row],
                    "city": who.city[row],
                    "state": who.region[row] or None,
                    "zip": who.postcode[row],
                    "country": who.country[row],
                }
            ),
        }


SYSTEM = System(
    name="sales",
    number=SALES,
    prefix="SO",
    id_field="order_id",
    habits=Habits(),
    writes=(
        "given_name",
        "family_name",
        "email",
        "phone",
        "date_of_birth",
        "street",
        "middle_name",
        "city",
        "account",
    ),
    compose=compose,
    stamp=utc_stamps,
)

produce = demo.producer(SYSTEM)

if __name__ == "__main__":
    command.main(SYSTEM)
