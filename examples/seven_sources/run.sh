#!/usr/bin/env bash
# Seven conflicting systems, one golden customer table: run.sh OUT_DIR makes the seven extracts
# (OUT_DIR/extracts), runs them through the pipeline and writes golden_customers.duckdb and .csv.
# Works in a home of its own that is gone afterwards, so every call gives the same customers.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/env.sh"
[ $# -eq 1 ] || fail 2 "a folder is needed: $0 OUT_DIR"
case $1 in /*) output=$1 ;; *) output=$PWD/$1 ;; esac
environment run
temporary_home seven

.venv/bin/python examples/seven_sources/generate.py "$output/extracts"
.venv/bin/python examples/seven_sources/build.py "$output/extracts" "$output"
say "Written to $output: golden_customers.duckdb, golden_customers.csv"
