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
.venv/bin/mypy
if [ $# -gt 0 ]; then
  echo 'Called with arguments: the tests on the newest jax are left out'
elif ! newest=$(find_newest_python); then
  echo 'No Python 3.12 or newer found: the tests on the newest jax are left out'
elif ! install_newest "$newest"; then
  echo "WARNING: .venv-newest could not be made with $newest (the lines above say why):" \
    'the tests on the newest jax are left out' >&2
else
  .venv-newest/bin/python -c 'import jax, sys; print("jax", jax.__version__, "on", sys.version)'
  .venv-newest/bin/python -m pytest -n 2 tests/test_head_layouts.py tests/test_models_kernels.py \
    tests/test_lowered_programs.py tests/test_lm_eval.py
fi
# Two workers: most of the time goes into compilations, each of which uses one core.
exec .venv/bin/python -m pytest -n 2 --dist=loadfile "$@"
