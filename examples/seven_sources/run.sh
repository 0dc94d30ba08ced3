#!/usr/bin/env bash
# Seven conflicting systems, one golden customer table: run.sh OUT_DIR makes the seven extracts
# (OUT_DIR/extracts), runs them through the pipeline and writes golden_customers.duckdb and .csv.
# Works in a home of its own that is gone afterwards, so every call gives the same customers.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/env.sh"
[ $# -eq 1 ] || fail 2 "a folder is needed: $0 OUT_DIR"
case $1 in /*) output=$1 ;; *) output=$PWD/$1 ;; esac
environment run

work=$(mktemp -d "${TMPDIR:-/tmp}/mdm-seven.XXXXXX")
chmod 755 "$work" # the database server of a root user runs as somebody else
export MDM_HOME="$work/home" MDM_SERVICES=embedded
finish() {
    code=$?
    trap - EXIT
    [ ! -d "$MDM_HOME" ] || .venv/bin/mdm services down >/dev/null 2>&1 || true
    rm -rf "$work"
    exit $code
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

.venv/bin/python examples/seven_sources/generate.py "$output/extracts"
.venv/bin/python examples/seven_sources/build.py "$output/extracts" "$output"
say "Written to $output: golden_customers.duckdb, golden_customers.csv"
