"""The help desk: tickets with a requester. One name field, no address, no accents; missing values
are null."""

from __future__ import annotations

from collections.abc import Iterator

from producers import command, demo
from producers.spelling import Habits
from producers.systems import (
    Document,
    Lines,
    System,
    american_date,
    ascii_text,
    e164_phone,
    iso_dates,
    joined_name,
    new_york_stamps,
)
from producers.timeline import SUPPORT

SUBJECTS = ("Where is my order?", "Return", "Invoice", "Cannot sign in", "Damaged parcel", "Other")


def compose(lines: Lines) -> Iterator[Document]:
    """Yield tickets with the requester as the agent wrote them down."""
    who = lines.spelled
    opened, updated = new_york_stamps(lines.opened), new_york_stamps(lines.updated)
    born = iso_dates(who.born.tolist())
    for row, (ticket, choice) in enumerate(zip(lines.ids, lines.choice, strict=True)):
        name = joined_name(who, row, family_first=choice % 31 == 0)
        yield {
            "ticket_id": ticket,
            "opened_at": opened[row],
            "updated_at": updated[row],
            "subject": SUBJECTS[choice % len(SUBJECTS)],
            "requester": {
                "name": ascii_text(name),
                "email": who.email[row],
                "phone": e164_phone(who.phone[row]),
                "dob": american_date(born[row]),
                "account_number": who.account[row],
            },
        }


SYSTEM = System(
    name="support",
    number=SUPPORT,
    prefix="TK",
    id_field="ticket_id",
    habits=Habits(
        nickname=0.10,
        middle=0.05,
        old_mail=0.30,
        old_phone=0.30,
        no_mail=0.06,
        no_phone=0.25,
        no_birth=0.40,
        old_family=0.10,
    ),
    writes=(
        "given_name",
        "family_name",
        "email",
        "phone",
        "date_of_birth",
        "middle_name",
        "account",
    ),
    compose=compose,
    stamp=new_york_stamps,
)

produce = demo.producer(SYSTEM)

if __name__ == "__main__":
    command.main(SYSTEM)
