#!/usr/bin/env bash
# Runs xlbarrier on all GPUs of this machine, in one process.
#
#   bash launch/gpus.sh [--dry-run] FLAGS OF xlbarrier.main
#
#   e.g.  bash launch/gpus.sh --config=configs/quickstart.py --workdir=runs/gpus
#
# Weights and batch are split over the GPUs (config.mesh.fsdp) unless the flags choose a mesh. The
# batch, config.train.batch_rows, must be a multiple of their number. A second call continues.
set -euo pipefail

# Variables; those of the environment win.
COUNT=${COUNT:-}                                          # of GPUs; default: all that nvidia-smi lists
COMMAND=${COMMAND:-.venv/bin/python -m xlbarrier.main}    # the flags are added to it

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=launch/common.sh
source "$here/common.sh"
begin_arguments "$@"
need_flags "${flags[@]}"
if [ -z "$COUNT" ]; then
  need_tool nvidia-smi 'no NVIDIA driver was found'
  COUNT=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU ' || true)
fi
[[ $COUNT =~ ^[1-9][0-9]*$ ]] || fail "the number of GPUs is '$COUNT'; set COUNT"
cd "$here/.."
if [[ " ${flags[*]} " != *" --config.mesh."* ]]; then
  flags+=("--config.mesh.data=1" "--config.mesh.fsdp=$COUNT")
fi
read -ra words <<<"$COMMAND"
if [ "$dry_run" = 0 ] && [[ $COMMAND == .venv/* ]]; then
  # shellcheck source=launch/environment.sh
  source launch/environment.sh
  install_into_venv '[gpu]'
fi
visible=$(seq -s, 0 $((COUNT - 1)))
run env "CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES:-$visible}" "${words[@]}" "${flags[@]}"
