#!/usr/bin/env bash
# The main job on a fresh machine: a study of a real pretrained model, on the CPU, in minutes.
#
#   bash launch/quickstart.sh [WORKDIR] [--config.field=value ...]
#
# Needs Python 3.11+ and a package index; no hub, no accelerator. A second call continues.
set -euo pipefail
workdir=runs/quickstart
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
  case $1 in
    /*) workdir=$1 ;;
    *) workdir=$PWD/$1 ;;  # macOS has no realpath -m
  esac
  shift
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/environment.sh
install_into_venv ''
export JAX_PLATFORMS=${JAX_PLATFORMS:-cpu} HF_HUB_OFFLINE=${HF_HUB_OFFLINE:-1}
exec .venv/bin/python -m xlbarrier.main --config=configs/quickstart.py --workdir="$workdir" "$@"
