"""Splink 5 on one file of records, as its documentation advises; run as a program of its own.

``python splink_worker.py RECORDS.parquet OUT_DIR SETUP`` needs Splink and DuckDB and nothing of
this project, so that another environment can hold them and its memory is its own. Writes the
clusters of each threshold to ``OUT_DIR/clusters_THRESHOLD.parquet`` and ends with a line of JSON.

What a competent user does beforehand is done before the clock starts: values lower-cased and
trimmed, phones as their last ten digits, and e-mails and phones that very many records share
(placeholders, found by profiling) emptied. Comparisons are those of Splink's comparison library
for each kind of column, with term-frequency adjustments.

Splink takes fields as independent, and its guide advises against columns that follow from another:
in households the parts of an address do. ``documented`` therefore compares the postcode alone;
comparing street and city too made it worse. ``contacts`` compares no address at all, a choice that
only labels could justify: it is there to show what was to be had.

``quick`` is ``documented`` as set by somebody who has met the cost of training at this size: EM on
narrow blocks instead of one birth date or one full name, and without term frequencies.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import splink.comparison_library as cl
from splink import Linker, SettingsCreator, block_on
from splink.backends.duckdb import DuckDBAPI

duckdb = importlib.import_module("duckdb")  # comes with Splink, has no place in our requirements
THRESHOLDS = (0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999)
_SHARED_BY = 100
_BLOCKS = (block_on("given_name", "family_name"), block_on("email"), block_on("date_of_birth"))
_QUICK_BLOCKS = (block_on("family_name", "date_of_birth"), block_on("email"), block_on("phone"))

_PREPARE = """
CREATE TABLE cleaned AS
SELECT record_id AS unique_id,
       nullif(trim(lower(given_name)), '') AS given_name,
       nullif(trim(lower(family_name)), '') AS family_name,
       nullif(trim(concat_ws(' ', lower(given_name), lower(family_name))), '') AS name,
       nullif(trim(lower(email)), '') AS email,
       nullif(right(regexp_replace(phone, '[^0-9]', '', 'g'), 10), '') AS phone,
       try_cast(date_of_birth AS date)::varchar AS date_of_birth,
       nullif(upper(regexp_replace(postcode, '[^A-Za-z0-9]', '', 'g')), '') AS postcode
FROM read_parquet(?);
"""
_DROP_SHARED = """
CREATE TABLE people AS
SELECT * REPLACE (
    CASE WHEN count(*) OVER (PARTITION BY email) <= $most THEN email END AS email,
    CASE WHEN count(*) OVER (PARTITION BY phone) <= $most THEN phone END AS phone)
FROM cleaned;
"""


def settings(setup: str) -> SettingsCreator:
    """The model of a set-up: how pairs are found and compared."""
    address = [cl.LevenshteinAtThresholds("postcode", 1).configure(term_frequency_adjustments=True)]
    return SettingsCreator(
        link_type="dedupe_only",
        blocking_rules_to_generate_predictions=[
            block_on("email"),
            block_on("phone"),
            block_on("family_name", "date_of_birth"),
            block_on("given_name", "date_of_birth"),
            block_on("family_name", "postcode"),
            block_on("given_name", "postcode"),
        ],
        comparisons=[
            cl.ForenameSurnameComparison(
                "given_name", "family_name", forename_surname_concat_col_name="name"
            ),
            cl.DateOfBirthComparison("date_of_birth", input_is_string=True),
            cl.EmailComparison("email").configure(term_frequency_adjustments=True),
            cl.LevenshteinAtThresholds("phone", 1).configure(term_frequency_adjustments=True),
            *(address if setup != "contacts" else []),
        ],
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=False,
    )


def run(records: Path, out: Path, setup: str) -> dict[str, Any]:
    """Seconds of each step and peak memory, after writing the clusters of each threshold."""
    connection = duckdb.connect()
    connection.execute(_PREPARE, [str(records)])
    connection.execute(_DROP_SHARED, {"most": _SHARED_BY})
    connection.execute("DROP TABLE cleaned")
    api = DuckDBAPI(connection)
    people = api.register("people")

    seconds = {}
    started = time.perf_counter()
    linker = Linker(people, settings(setup))
    linker.training.estimate_probability_two_random_records_match(
        [
            block_on("given_name", "family_name", "date_of_birth"),
            block_on("email"),
            block_on("phone", "given_name"),
        ],
        recall=0.6,
    )
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    quick = setup == "quick"
    for rule in _QUICK_BLOCKS if quick else _BLOCKS:
        linker.training.estimate_parameters_using_expectation_maximisation(
            rule, estimate_without_term_frequencies=quick
        )
    seconds["train"] = time.perf_counter() - started

    started = time.perf_counter()
    predicted = linker.inference.predict(threshold_match_probability=THRESHOLDS[0])
    seconds["predict"] = time.perf_counter() - started

    by_threshold = {}
    for threshold in THRESHOLDS:
        started = time.perf_counter()
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
            predicted, threshold_match_probability=threshold
        )
        by_threshold[str(threshold)] = time.perf_counter() - started
        connection.table(clusters.physical_name).select("cluster_id, unique_id").write_parquet(
            str(out / f"clusters_{threshold}.parquet")
        )
    # one clustering counts, the quickest: a user needs only one
    seconds["cluster"] = min(by_threshold.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "version": metadata.version("splink"),
        "duckdb": metadata.version("duckdb"),
        "seconds": sum(seconds.values()),
        "steps": seconds,
        "pairs": connection.table(predicted.physical_name).count("*").fetchall()[0][0],
        # bytes on macOS, KiB elsewhere
        "peak_rss_mib": peak / (2**20 if sys.platform == "darwin" else 2**10),
    }


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])))
