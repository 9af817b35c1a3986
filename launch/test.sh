#!/usr/bin/env bash
# Sets everything up and runs every check: ruff, mypy, then all tests (the slow ones too).
#
#   bash launch/test.sh [pytest arguments]        e.g.  bash launch/test.sh -m 'not slow'
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/environment.sh
install_into_venv '[test,dev]'
export JAX_PLATFORMS=cpu HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
.venv/bin/ruff check .
.venv/bin/ruff format --check .
# .venv/bin/mypy  # of the whole package; on as soon as it is clean
# Two workers: most of the time goes into compilations, each of which uses one core.
exec .venv/bin/python -m pytest -n 2 --dist=loadfile "$@"
