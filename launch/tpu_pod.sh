#!/usr/bin/env bash
# Runs xlbarrier on every worker of a TPU VM pod.
#
#   PROJECT=... ZONE=... TPU_NAME=... bash launch/tpu_pod.sh [--dry-run] FLAGS OF xlbarrier.main
#
#   e.g.  bash launch/tpu_pod.sh --config=configs/quickstart.py --workdir=/mnt/shared/run-1 \
#           --config.mesh.fsdp=16
#
# The workdir must lie on storage that all workers share. --dry-run prints the commands only.
set -euo pipefail

PROJECT=${PROJECT:-}                        # Google Cloud project
ZONE=${ZONE:-}                              # e.g. us-east5-a
TPU_NAME=${TPU_NAME:-}                      # the TPU VM; made when CREATE=1
CREATE=${CREATE:-0}                         # 1: make the TPU VM first
ACCELERATOR_TYPE=${ACCELERATOR_TYPE:-v5litepod-16}
RUNTIME_VERSION=${RUNTIME_VERSION:-v2-alpha-tpuv5-lite}
REPOSITORY=${REPOSITORY:-$(git -C "$(dirname "${BASH_SOURCE[0]}")" remote get-url origin 2>/dev/null || true)}
COMMIT=${COMMIT:-$(git -C "$(dirname "${BASH_SOURCE[0]}")" rev-parse HEAD 2>/dev/null || true)}
FOLDER=${FOLDER:-xlbarrier}                 # on each worker, below the home folder

dry_run=0
if [ "${1:-}" = --dry-run ]; then
  dry_run=1
  shift
fi
for name in PROJECT ZONE TPU_NAME; do
  if [ -z "${!name}" ]; then
    echo "ERROR: $name is not set; see the top of launch/tpu_pod.sh" >&2
    exit 2
  fi
done

run() {
  if [ "$dry_run" = 1 ]; then
    printf '%q ' "$@"
    echo
  else
    "$@"
  fi
}

on_all_workers() {
  run gcloud compute tpus tpu-vm ssh "$TPU_NAME" --project="$PROJECT" --zone="$ZONE" \
    --worker=all --command="$1"
}

if [ "$CREATE" = 1 ]; then
  run gcloud compute tpus tpu-vm create "$TPU_NAME" --project="$PROJECT" --zone="$ZONE" \
    --accelerator-type="$ACCELERATOR_TYPE" --version="$RUNTIME_VERSION"
fi

on_all_workers "set -e; test -d $FOLDER || git clone '$REPOSITORY' $FOLDER; cd $FOLDER;\
 git fetch -q && git checkout -q '$COMMIT'; source launch/environment.sh; install_into_venv '[tpu]'"
flags=$(printf '%q ' "$@")
on_all_workers "cd $FOLDER && XLBARRIER_DISTRIBUTED=1 .venv/bin/python -m xlbarrier.main $flags"
