#!/usr/bin/env bash
# Runs xlbarrier on every worker of a TPU VM pod, from your machine, through gcloud.
#
#   PROJECT=... ZONE=... TPU_NAME=... bash launch/tpu_pod.sh [--dry-run] FLAGS OF xlbarrier.main
#
#   e.g.  bash launch/tpu_pod.sh --config=configs/quickstart.py --workdir=/mnt/shared/run-1 \
#           --config.mesh.fsdp=16
#
# The workdir must lie on storage that all workers share. --dry-run prints the commands, ready to be
# pasted, and runs none. A second call goes on: the workers keep their checkout and their .venv.
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

fail() {
  echo "ERROR: $*" >&2
  exit 2
}

# A word as a shell reads it back, in single quotes where it needs any.
quoted() {
  if [[ $1 =~ ^[A-Za-z0-9_./:=@,+-]+$ ]]; then
    printf '%s' "$1"
  else
    printf "'%s'" "${1//\'/\'\\\'\'}"
  fi
}

# Prints a command; runs it too unless --dry-run.
run() {
  local word line=''
  for word in "$@"; do
    line+=" $(quoted "$word")"
  done
  printf '%s\n' "${line:1}"
  [ "$dry_run" = 1 ] || "$@"
}

on_every_worker() {
  # shellcheck disable=SC2086  # SSH_FLAGS is a list of words
  run gcloud compute tpus tpu-vm ssh "$TPU_NAME" --project="$PROJECT" --zone="$ZONE" \
    --worker=all $SSH_FLAGS --command="$1"
}

dry_run=0
if [ "${1:-}" = --dry-run ]; then
  dry_run=1
  shift
fi
here=$(dirname "${BASH_SOURCE[0]}")
REPO=${REPO:-$(git -C "$here" remote get-url origin 2>/dev/null || true)}
COMMIT=${COMMIT:-$(git -C "$here" rev-parse HEAD 2>/dev/null || true)}

missing=''
for name in PROJECT ZONE TPU_NAME REPO COMMIT; do
  [ -n "${!name}" ] || missing+=", $name"
done
[ -z "$missing" ] || fail "not set: ${missing:2}; see the top of launch/tpu_pod.sh"
for word in "$@"; do
  [ "$word" != --dry-run ] || fail '--dry-run must come first; nothing was run'
done
if [[ $COMMAND == *xlbarrier.main && " $*" != *" --config="* ]]; then
  fail 'no flags for xlbarrier.main; expected at least --config=FILE --workdir=SHARED_FOLDER'
fi
if [ "$dry_run" = 0 ] && ! command -v gcloud >/dev/null; then
  fail 'gcloud is not installed: https://cloud.google.com/sdk/docs/install (or use --dry-run)'
fi
if [ -n "$(git -C "$here" status --porcelain --untracked-files=no 2>/dev/null || true)" ]; then
  echo "NOTE: changes that are not committed stay here; the workers check out $COMMIT" >&2
fi

if [ "$CREATE" = 1 ]; then
  run gcloud compute tpus tpu-vm create "$TPU_NAME" --project="$PROJECT" --zone="$ZONE" \
    --accelerator-type="$ACCELERATOR_TYPE" --version="$RUNTIME_VERSION"
  echo "NOTE: it costs until: gcloud compute tpus tpu-vm delete $TPU_NAME --project=$PROJECT" \
    "--zone=$ZONE" >&2
fi

# A runtime image's own Python can be older than 3.11; uv then brings one, without root.
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

for word in "$@"; do
  COMMAND+=" $(quoted "$word")"
done
# jax finds the other workers by itself when this variable says that there are any.
on_every_worker "cd $folder && export XLBARRIER_DISTRIBUTED=1 && $COMMAND"
