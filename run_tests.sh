#!/usr/bin/env bash
# The tests, on a real PostgreSQL and a real S3 server of their own, two at a time.
# Arguments go to pytest: `./run_tests.sh tests/gold -k history`, `./run_tests.sh -m "not slow"`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/scripts/env.sh"
environment test
exec .venv/bin/python -m pytest -n 2 "$@"
