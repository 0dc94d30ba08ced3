#!/usr/bin/env bash
# The capstone exercise, start to end: run.sh IN_DIR OUT_DIR reads crm_customers.csv and
# ecommerce_customers.json and writes customer_master.csv, duplicate_report.csv, integration_log.txt.
# Works in a home of its own that is gone afterwards, so the same input gives the same files.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/env.sh"
[ $# -eq 2 ] || fail 2 "two folders are needed: $0 IN_DIR OUT_DIR"
case $1 in /*) input=$1 ;; *) input=$PWD/$1 ;; esac
case $2 in /*) output=$2 ;; *) output=$PWD/$2 ;; esac
environment run
temporary_home capstone

.venv/bin/python examples/capstone/unify.py "$input" "$output"
say "Written to $output:"
ls "$output" >&2
