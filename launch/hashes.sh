#!/usr/bin/env bash
# Writes requirements-hashed.txt: the versions of constraints.txt with the hashes of their files.
#
#   bash launch/hashes.sh        needs uv (pip install uv) and a package index; to be run after
#                                constraints.txt has changed
#
# The hashes are those of the index for all platforms. torch is left out: the tests need its CPU
# build, which is on an index of its own (XLBARRIER_TORCH_INDEX) and not on PyPI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=launch/common.sh
source launch/common.sh
dry_run=0
need_tool uv 'pip install uv'
target=requirements-hashed.txt
{
  echo '# Made from constraints.txt by launch/hashes.sh; all but torch. To install:'
  echo "#   pip install --no-deps --require-hashes -r $target && pip install --no-deps -e ."
  grep -v '^torch==' constraints.txt |
    uv pip compile --quiet --no-config --no-deps --universal --python-version 3.11 \
      --generate-hashes --no-header --no-annotate -
} >"$target.tmp"
mv "$target.tmp" "$target"
