#!/usr/bin/env bash
# Runs xlbarrier on every worker of a TPU VM pod, from your machine, through gcloud.
#
#   PROJECT=... ZONE=... TPU_NAME=... bash launch/tpu_pod.sh [--dry-run] FLAGS OF xlbarrier.main
#
#   e.g.  bash launch/tpu_pod.sh --config=configs/quickstart.py --workdir=/mnt/shared/run-1 \
#           --config.mesh.fsdp=16
#
# The workdir must be on storage that all workers share. --dry-run prints the commands, ready to be
# pasted, and runs none. A second call goes on: the workers keep their checkout and their .venv. With
# RESTARTS, a pod that is taken away is made again and the run continues from its last checkpoint.
set -euo pipefail

# Variables; those of the environment win.
PROJECT=${PROJECT:-}                                      # Google Cloud project
ZONE=${ZONE:-}                                            # e.g. us-east5-a
TPU_NAME=${TPU_NAME:-}                                    # the TPU VM; made when CREATE=1
CREATE=${CREATE:-0}                                       # 1: make it first; it costs until deleted
ACCELERATOR_TYPE=${ACCELERATOR_TYPE:-v5litepod-16}        # for CREATE=1
RUNTIME_VERSION=${RUNTIME_VERSION:-v2-alpha-tpuv5-lite}   # for CREATE=1
REPO=${REPO:-}                                            # to clone; default: this checkout's origin
COMMIT=${COMMIT:-}                                        # default: this checkout's commit
FOLDER=${FOLDER:-xlbarrier}                               # on each worker, below the home folder
COMMAND=${COMMAND:-.venv/bin/python -m xlbarrier.main}    # run there; the flags are added to it
SSH_FLAGS=${SSH_FLAGS:-}                                  # e.g. --tunnel-through-iap
RESTARTS=${RESTARTS:-0}                                   # after a preemption: the pod is made again
WAIT=${WAIT:-60}                                          # seconds between two tries to make it

here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=launch/common.sh
source "$here/common.sh"

on_every_worker() {
  # shellcheck disable=SC2086  # SSH_FLAGS is a list of words
  run gcloud compute tpus tpu-vm ssh "$TPU_NAME" --project="$PROJECT" --zone="$ZONE" \
    --worker=all $SSH_FLAGS --command="$1"
}

begin_arguments "$@"
REPO=${REPO:-$(git -C "$here" remote get-url origin 2>/dev/null || true)}
COMMIT=${COMMIT:-$(git -C "$here" rev-parse HEAD 2>/dev/null || true)}
need_variables PROJECT ZONE TPU_NAME REPO COMMIT
if [[ $COMMAND == *xlbarrier.main && " ${flags[*]}" != *" --config="* ]]; then
  fail 'no flags for xlbarrier.main; expected at least --config=FILE --workdir=SHARED_FOLDER'
fi
need_tool gcloud https://cloud.google.com/sdk/docs/install
if [ -n "$(git -C "$here" status --porcelain --untracked-files=no 2>/dev/null || true)" ]; then
  echo "NOTE: changes that are not committed stay here; the workers check out $COMMIT" >&2
fi

create() {
  run gcloud compute tpus tpu-vm create "$TPU_NAME" --project="$PROJECT" --zone="$ZONE" \
    --accelerator-type="$ACCELERATOR_TYPE" --version="$RUNTIME_VERSION"
}

# A runtime image's own Python can be older than 3.11; uv then brings one, without root.
prepare() {
  local folder
  folder=$(quoted "$FOLDER")
  on_every_worker "set -e
test -d $folder/.git || git clone --quiet $(quoted "$REPO") $folder
cd $folder
git fetch --quiet origin
git checkout --quiet --detach $(quoted "$COMMIT")
source launch/environment.sh
if ! find_python >/dev/null 2>&1; then
  python3 -m pip install --quiet --user uv
  ~/.local/bin/uv python install --quiet 3.11
  export PYTHON=\$(~/.local/bin/uv python find 3.11)
fi
install_into_venv '[tpu]'"
}

# jax finds the other workers by itself when this variable says that there are any.
start() {
  local line=$COMMAND
  [ ${#flags[@]} = 0 ] || line+=" $(line_of "${flags[@]}")"
  on_every_worker "cd $(quoted "$FOLDER") && export XLBARRIER_DISTRIBUTED=1 && $line"
}

state() {
  gcloud compute tpus tpu-vm describe "$TPU_NAME" --project="$PROJECT" --zone="$ZONE" \
    --format='value(state)' 2>/dev/null || echo GONE
}

if [ "$CREATE" = 1 ]; then
  create
  echo "NOTE: it costs until: gcloud compute tpus tpu-vm delete $TPU_NAME --project=$PROJECT" \
    "--zone=$ZONE" >&2
fi
prepare
for ((attempt = 1; ; attempt++)); do
  status=0
  start || status=$?
  if [ "$status" = 0 ] || [ "$attempt" -gt "$RESTARTS" ]; then
    exit "$status"
  fi
  now=$(state)
  if [ "$now" = READY ]; then
    echo "ERROR: the run failed on a pod that is READY: its own lines above say why" >&2
    exit "$status"
  fi
  echo "NOTE: the pod is $now: it is made again, start $((attempt + 1))" >&2
  if [ "$now" != GONE ]; then
    run gcloud compute tpus tpu-vm delete "$TPU_NAME" --project="$PROJECT" --zone="$ZONE" --quiet
  fi
  until create; do
    echo "NOTE: no pod is free; tried again in $WAIT s" >&2
    sleep "$WAIT"
  done
  prepare
done
