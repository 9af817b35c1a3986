#!/usr/bin/env bash
# Submits xlbarrier to Slurm: one process per GPU, on one or several nodes.
#
#   NODES=2 GPUS_PER_NODE=8 bash launch/slurm.sh [--dry-run] FLAGS OF xlbarrier.main
#
# The checkout and the workdir must be on storage that all nodes share; `bash launch/test.sh` or
# `pip install -e .[gpu]` into .venv comes first. Before the time limit the run gets SIGTERM, writes a
# checkpoint and is put into the queue again, as after a preemption. --dry-run prints the job.
set -euo pipefail

# Variables; those of the environment win.
NODES=${NODES:-1}
GPUS_PER_NODE=${GPUS_PER_NODE:-8}
CPUS_PER_TASK=${CPUS_PER_TASK:-8}
TIME=${TIME:-24:00:00}                                    # limit of one start
PARTITION=${PARTITION:-}                                  # default: the cluster's
ACCOUNT=${ACCOUNT:-}
NAME=${NAME:-xlbarrier}
COMMAND=${COMMAND:-.venv/bin/python -m xlbarrier.main}    # the flags are added to it

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=launch/common.sh
source "$here/common.sh"
begin_arguments "$@"
need_flags "${flags[@]}"
need_tool sbatch 'run this on a login node of the cluster'
for name in NODES GPUS_PER_NODE CPUS_PER_TASK; do
  [[ ${!name} =~ ^[1-9][0-9]*$ ]] || fail "$name is '${!name}'; expected 1 or more"
done
read -ra words <<<"$COMMAND"

job() {
  echo '#!/usr/bin/env bash'
  echo "#SBATCH --job-name=$NAME"
  echo "#SBATCH --nodes=$NODES"
  echo "#SBATCH --ntasks-per-node=$GPUS_PER_NODE"
  echo "#SBATCH --gpus-per-node=$GPUS_PER_NODE"
  echo "#SBATCH --cpus-per-task=$CPUS_PER_TASK"
  echo "#SBATCH --time=$TIME"
  [ -z "$PARTITION" ] || echo "#SBATCH --partition=$PARTITION"
  [ -z "$ACCOUNT" ] || echo "#SBATCH --account=$ACCOUNT"
  echo '#SBATCH --requeue'
  echo '#SBATCH --open-mode=append'
  echo '#SBATCH --signal=TERM@300'
  cat <<'JOB'
set -uo pipefail
export XLBARRIER_DISTRIBUTED=1
JOB
  echo "cd $(quoted "$(dirname "$here")") || exit 1"
  echo "srun --kill-on-bad-exit=1 $(line_of "${words[@]}" "${flags[@]}")"
  cat <<'JOB'
status=$?
if [ "$status" = 143 ]; then  # asked to stop; a checkpoint is written
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
JOB
}

if [ "$dry_run" = 1 ]; then
  job
else
  job | sbatch
fi
