#!/usr/bin/env bash
# The full run: environment, services, all phases, checks, summary.
# Arguments go to `mdm run`: `./run_mdm_pipeline.sh --help` shows them.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/scripts/env.sh"
environment run
exec .venv/bin/mdm run "$@"
