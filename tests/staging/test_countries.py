"""Countries: whatever people write, one code."""

from __future__ import annotations

from datetime import date

import polars as pl
import pycountry
import pytest

from mdm.config import Config
from staging import countries
from staging.addresses import standardise_country
from staging.standardisation import Standardiser
from staging.text import fold


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("GB", "UK|U.K.|England|scotland|Great Britain|United Kingdom|GBR|826|gb|Royaume-Uni"),
        ("US", "USA|U.S.A.|US|United States of America|the United States|America|840|Stati Uniti"),
        ("DE", "Deutschland|Germany|GER|deu|Federal Republic of Germany|Allemagne|Alemania|276"),
        ("AT", "Österreich|Oesterreich|OSTERREICH|Austria|Autriche|AUT|040"),
        ("CH", "Suisse|Schweiz|Svizzera|Swiss Confederation|Switzerland|Zwitserland|CHE"),
        ("KR", "South Korea|Korea, Republic of|Republic of Korea|Korea"),
        ("CI", "Côte d'Ivoire|Cote d Ivoire|Ivory Coast|Elfenbeinküste"),
        ("CZ", "Czech Republic|Czechia|Česko|Tschechien"),
        ("BO", "Bolivia|Bolivia, Plurinational State of"),
        ("TR", "Türkiye|Turkey|Türkei|Turquie"),
        ("IS", "Island|Iceland"),
        ("XK", "Kosovo|XKX"),
    ],
)
def test_one_code_for_all_its_names(code: str, written: str) -> None:
    assert {standardise_country(name) for name in written.split("|")} == {code}


@pytest.mark.parametrize("written", ["Atlantis", "Yugoslavia", "49", "40", "zz", "Springfield"])
def test_what_is_no_country_stays_what_it_is(written: str) -> None:
    assert standardise_country(written) == written.lower()


def test_every_country_is_found_by_every_code_and_name() -> None:
    for country in pycountry.countries:
        names = [country.alpha_2, country.alpha_3, country.numeric, country.name]
        names += [getattr(country, kind, country.name) for kind in ("common_name", "official_name")]
        assert {standardise_country(name) for name in names} == {country.alpha_2}


def test_the_list_of_variants_holds_only_what_is_needed() -> None:
    codes = {country.alpha_2 for country in pycountry.countries} | {"XK"}
    names = countries.names()
    assert set(names.values()) == codes
    assert all(name == fold(name) for name in names)


def test_no_other_language_overrules_an_english_name() -> None:
    names, translated = countries.names(), countries._translations()
    assert {
        name for name in translated if name in names and names[name] != translated[name]
    } == set()


def test_unknown_countries_are_counted() -> None:
    config = Config.model_validate(
        {"sources": {"crm": {"table": "crm", "record_id": "id", "fields": {"country": "country"}}}}
    )
    standardise = Standardiser(config, config.sources["crm"], today=date(2026, 1, 1))
    written = pl.DataFrame({"country": ["Suisse", "Atlantis", None, "n/a", "ATLANTIS", "CHE"]})
    found = standardise(written)["std_country"]
    assert found.to_list() == ["CH", "atlantis", None, None, "atlantis", "CH"]
    assert standardise.counts["country", "unknown"] == 2
    assert standardise.counts["country", "placeholder"] == 1
