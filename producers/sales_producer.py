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
    rows = zip(
        lines.ids,
        utc_stamps(lines.opened),
        utc_stamps(lines.updated),
        lines.choice,
        who.account,
        who.given,
        who.middle,
        who.family,
        who.suffix.tolist(),
        iso_dates(who.born.tolist()),
        who.email,
        who.phone,
        who.street,
        who.city,
        who.region,
        who.postcode,
        who.country,
        strict=True,
    )
    for (
        order,
        placed,
        updated,
        choice,
        account,
        given,
        middle,
        family,
        suffix,
        born,
        email,
        phone,
        street,
        city,
        region,
        postcode,
        country,
    ) in rows:
        yield {
            "order_id": order,
            "placed_at": placed,
            "updated_at": updated,
            "total": {"amount": round(choice % 40_000 / 100 + 5, 2), "currency": "USD"},
            "customer": filled(
                {
                    "number": account,
                    "first_name": given,
                    "middle_name": middle,
                    "last_name": f"{family} {SUFFIXES[suffix]}" if suffix else family,
                    "birth_date": born,
                    "contact": filled({"email": email, "phone": national_phone(phone)}),
                }
            ),
            "ship_to": filled(
                {
                    "line1": street,
                    "city": city,
                    "state": region or None,
                    "zip": postcode,
                    "country": country,
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
