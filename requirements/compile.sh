#!/usr/bin/env bash
# Pin every package that `pyproject.toml` asks for, with hashes, for all our platforms at once.
# Needs uv. Keeps the pins that still fit; `requirements/compile.sh --upgrade` moves them all.
set -euo pipefail
cd "$(dirname "$0")/.."

# compile FILE [EXTRA...]: a later file never contradicts run.txt, since that one constrains it.
compile() {
    file=$1
    shift
    extras=()
    for extra in "$@"; do extras+=(--extra "$extra"); done
    constraint=()
    [ "$file" = run.txt ] || constraint=(--constraint requirements/run.txt)
    uv pip compile pyproject.toml requirements/build.in \
        ${extras[@]+"${extras[@]}"} ${constraint[@]+"${constraint[@]}"} \
        --universal --python-version 3.11 --generate-hashes --no-annotate \
        --no-emit-index-url --no-emit-find-links --quiet \
        --custom-compile-command "requirements/compile.sh" \
        ${upgrade[@]+"${upgrade[@]}"} --output-file "requirements/$file"
}

upgrade=("$@")
compile run.txt
compile test.txt test
compile dev.txt test dev charts
compile benchmark.txt test dev charts benchmark
