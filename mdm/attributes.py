"""The one customer shape: which attributes a customer has, in their order."""

from __future__ import annotations

from typing import Final

#: Attributes of a source record, of a profile and of a golden customer (docs/data_model.md).
ATTRIBUTES: Final = (
    "full_name",
    "given_name",
    "middle_name",
    "family_name",
    "email",
    "phone",
    "date_of_birth",
    "gender",
    "street",
    "city",
    "region",
    "postcode",
    "country",
    "tax_id",
    "customer_number",
    "organisation",
)

#: Parts that describe one thing and therefore win or lose together in survivorship.
ADDRESS: Final = ("street", "city", "region", "postcode", "country")
NAME: Final = ("full_name", "given_name", "middle_name", "family_name")

#: Standardised columns of ``staging.profiles``; in ``staging.records`` they begin with ``std_``.
STANDARD: Final = (
    "name",
    "given_name",
    "middle_name",
    "family_name",
    "name_suffix",
    "organisation",
    "email",
    "phone",
    "date_of_birth",
    "gender",
    "street",
    "city",
    "region",
    "postcode",
    "country",
    "tax_id",
    "customer_number",
)
