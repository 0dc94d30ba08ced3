"""Seven extracts of one company's seven systems, each in its own format, names and habits.

``generate.py FOLDER`` writes them. All people are made up. The systems contradict each other as
such systems do: the CRM is the newest and shouts some names, the ERP writes e-mails in capitals,
marketing runs names together and invents addresses of its own, support tags names, finance and the
legacy database copy billing as it once was. Two records are doubtful on purpose: a lead that only
sounds like a customer, and a support contact of the legacy system with a customer's name alone.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import xlsxwriter

_PLAIN = str.maketrans("éáó", "eao") | {ord("ü"): "ue"}


@dataclass(frozen=True)
class Person:
    """A customer as billing knows them; ``billed`` is when billing last changed the record."""

    given: str
    family: str
    phone: str
    street: str
    city: str
    postcode: str
    country: str
    billed: date

    @property
    def name(self) -> str:
        """Given and family name."""
        return f"{self.given} {self.family}"

    def email(self, domain: str) -> str:
        """An address of this person's at a domain, in plain letters."""
        plain = f"{self.given}.{self.family}".lower().translate(_PLAIN)
        return f"{plain}@{domain}"

    @property
    def digits(self) -> str:
        """The phone number in international form without spaces."""
        return self.phone.replace(" ", "")


PEOPLE = (
    Person("Nora", "Whitfield", "+1 312 555 0148", "840 W Lake Street", "Chicago", "60607",
           "United States", date(2026, 4, 18)),
    Person("Jürgen", "Albrecht", "+49 89 2180 4471", "Sendlinger Straße 12", "München", "80331",
           "Germany", date(2026, 4, 9)),
    Person("Amélie", "Garnier", "+33 4 72 40 19 63", "27 Rue Mercière", "Lyon", "69002",
           "France", date(2025, 10, 3)),
    Person("Tomás", "Herrero", "+34 96 351 27 84", "Calle de la Paz 31", "Valencia", "46003",
           "Spain", date(2024, 8, 15)),
    Person("Grace", "Pemberton", "+1 503 555 0171", "1120 NW Couch Street", "Portland", "97209",
           "USA", date(2025, 12, 7)),
    Person("Imran", "Siddiqui", "+44 161 496 0837", "14 Tib Street", "Manchester", "M4 1SH",
           "United Kingdom", date(2021, 5, 13)),
)  # fmt: skip
NEWEST = date(2026, 11, 1)
#: What some systems have not heard of: where people lived and how they were reached before.
MOVED_FROM = {"Herrero": ("Avenida del Puerto 210", "Valencia", "46023")}
FORMER_PHONE = {"Siddiqui": "+44 161 496 0112"}


def billing(folder: Path) -> None:
    """Parquet, flat, the reference for money."""
    pl.DataFrame(
        {
            "cust_ref": [f"B-{number:04d}" for number in range(7001, 7001 + len(PEOPLE))],
            "bill_to": [one.name for one in PEOPLE],
            "bill_email": [one.email("example.com") for one in PEOPLE],
            "bill_phone": [one.phone for one in PEOPLE],
            "bill_street": [one.street for one in PEOPLE],
            "bill_city": [one.city for one in PEOPLE],
            "bill_zip": [one.postcode for one in PEOPLE],
            "bill_country": [one.country for one in PEOPLE],
            "changed_at": [
                datetime(day.year, day.month, day.day, 9, 30, tzinfo=UTC)
                for day in (one.billed for one in PEOPLE)
            ],
        }
    ).write_parquet(folder / "billing.parquet")


def crm(folder: Path) -> None:
    """JSON, nested; the newest system, with addresses at work and every second name in capitals."""
    accounts = [
        {
            "accountId": f"003A{number:05d}",
            "person": {"displayName": one.name.upper() if number % 2 else one.name},
            "contact": {"email": one.email("work.example"), "mobile": one.digits},
            "address": {
                "line1": one.street,
                "town": one.city,
                "zip": one.postcode,
                "countryName": one.country,
            },
            "modified": f"{NEWEST - timedelta(days=number):%Y-%m-%dT00:00:00+00:00}",
        }
        for number, one in enumerate(PEOPLE)
    ]
    document = {"exportedBy": "crm", "accounts": accounts}
    (folder / "crm.json").write_text(
        json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8"
    )


def erp(folder: Path) -> None:
    """CSV with semicolons in cp1252, German column names, e-mails in capitals, DD.MM.YYYY."""
    with (folder / "erp.csv").open("w", encoding="cp1252", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(
            ["Kundennr", "Name", "E-Mail", "Telefon", "Strasse", "Ort", "PLZ", "Land", "Stand"]
        )
        for number, one in enumerate(PEOPLE):
            stand = date(2026, 8, 2) - timedelta(days=number)
            writer.writerow(
                [f"{100200 + number:010d}", one.name, one.email("example.com").upper(), one.phone,
                 one.street, one.city, one.postcode, one.country, f"{stand:%d.%m.%Y}"]
            )  # fmt: skip


def finance(folder: Path) -> None:
    """An Excel workbook whose second sheet holds the customers, with real dates."""
    book = xlsxwriter.Workbook(str(folder / "finance.xlsx"))
    book.add_worksheet("Read me").write_string(0, 0, "Kept by finance. Customers: next sheet.")
    sheet = book.add_worksheet("Customers")
    sheet.write_row(
        0, 0, ["No", "Customer", "Mail", "Tel", "Address", "City", "Post code", "Country", "As of"]
    )
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    for line, one in enumerate(PEOPLE, 1):
        sheet.write_row(
            line,
            0,
            [f"F{line:03d}", one.name, one.email("example.com"),
             FORMER_PHONE.get(one.family, one.phone), one.street, one.city, one.postcode,
             one.country],
        )  # fmt: skip
        sheet.write_datetime(line, 8, datetime(one.billed.year, one.billed.month, 1), day)
    book.close()


def marketing(folder: Path) -> None:
    """JSON lines: no addresses, every third phone missing, names run together, and a lead."""
    lines = [
        {
            "subscriber": f"sub_{number:03d}",
            "label": f"{one.given}{one.family}",
            "mail": one.email("news.example"),
            "msisdn": None if number % 3 == 2 else one.phone,
            "market": one.country,
            "touched": f"{NEWEST + timedelta(days=number):%Y-%m-%d}",
        }
        for number, one in enumerate(PEOPLE)
    ]
    lines.append(
        {"subscriber": "sub_900", "label": "Gray Pemberly", "mail": "gray.p@news.example",
         "msisdn": None, "market": "Canada", "touched": "2026-11-08"}
    )  # fmt: skip
    (folder / "marketing.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8"
    )


def support(folder: Path) -> None:
    """A SQLite file; names carry a tag. One contact came over from a system before."""
    rows: list[tuple[int | str | None, ...]] = [
        (7700 + number, f"{one.name} (Support)", one.email("example.com"), one.phone,
         f"{one.street}, {one.city}", one.country, f"2026-05-{20 - number} 10:00:00")
        for number, one in enumerate(PEOPLE)
    ]  # fmt: skip
    rows.append(
        (7999, "Grace Pemberton", "gpem@old-desk.example", None, "Unknown", "USA",
         "2018-02-01 00:00:00")
    )  # fmt: skip
    with sqlite3.connect(folder / "support.sqlite") as database:
        database.execute("DROP TABLE IF EXISTS requesters")
        database.execute(
            "CREATE TABLE requesters (requester_id INTEGER PRIMARY KEY, display TEXT,"
            " reply_to TEXT, callback TEXT, location TEXT, country TEXT, last_ticket TEXT)"
        )
        database.executemany("INSERT INTO requesters VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    database.close()


def legacy(folder: Path) -> None:
    """A DuckDB file: billing as it was when the old warehouse was switched off."""
    file = folder / "legacy.duckdb"
    file.unlink(missing_ok=True)
    with duckdb.connect(str(file)) as database:
        database.execute(
            "CREATE TABLE dw_customer (dw_key BIGINT, nm VARCHAR, em VARCHAR, ph VARCHAR,"
            " addr VARCHAR, town VARCHAR, pc VARCHAR, ctry VARCHAR, load_ts TIMESTAMP)"
        )
        database.executemany(
            "INSERT INTO dw_customer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (880000 + number, one.name, one.email("example.com"), one.phone,
                 *MOVED_FROM.get(one.family, (one.street, one.city, one.postcode)),
                 one.country, datetime(2023, 3, 31, 23, 59))
                for number, one in enumerate(PEOPLE)
            ],
        )  # fmt: skip


SYSTEMS = (billing, crm, erp, finance, marketing, support, legacy)


def main(folder: Path) -> None:
    """Write the seven extracts into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for system in SYSTEMS:
        system(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
