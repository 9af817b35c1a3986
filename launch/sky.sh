#!/usr/bin/env bash
# Runs xlbarrier on any cloud by SkyPilot, as a managed job that recovers from preemptions.
#
#   ACCELERATORS=H100:8 BUCKET=... bash launch/sky.sh [--dry-run] FLAGS OF xlbarrier.main
#
#   e.g.  ... --config=configs/quickstart.py --workdir=/data/runs/run-1 --config.mesh.fsdp=8
#
# BUCKET is mounted at /data and outlives the machines. --dry-run prints the task.
set -euo pipefail

# Variables; those of the environment win.
NAME=${NAME:-xlbarrier}
ACCELERATORS=${ACCELERATORS:-}                            # e.g. H100:8, A100-80GB:4
NODES=${NODES:-1}
SPOT=${SPOT:-true}                                        # false: machines that are not taken away
BUCKET=${BUCKET:-}                                        # e.g. s3://my-bucket or gs://my-bucket
REPO=${REPO:-}                                            # to clone; default: this checkout's origin
COMMIT=${COMMIT:-}                                        # default: this checkout's commit
COMMAND=${COMMAND:-.venv/bin/python -m xlbarrier.main}    # the flags are added to it

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=launch/common.sh
source "$here/common.sh"
begin_arguments "$@"
REPO=${REPO:-$(git -C "$here" remote get-url origin 2>/dev/null || true)}
COMMIT=${COMMIT:-$(git -C "$here" rev-parse HEAD 2>/dev/null || true)}
need_variables ACCELERATORS BUCKET REPO COMMIT
need_flags "${flags[@]}"
need_tool sky 'pip install skypilot'
[[ $BUCKET =~ ^(s3|gs|r2|az|oci):// ]] || fail "BUCKET is '$BUCKET'; expected s3://... or gs://..."
read -ra words <<<"$COMMAND"

task() {
  cat <<END
name: $NAME
num_nodes: $NODES
resources:
  accelerators: $ACCELERATORS
  use_spot: $SPOT
file_mounts:
  /data:
    source: $BUCKET
    mode: MOUNT
setup: |
  set -e
  test -d xlbarrier/.git || git clone --quiet $(quoted "$REPO") xlbarrier
  cd xlbarrier
  git fetch --quiet origin
  git checkout --quiet --detach $(quoted "$COMMIT")
  source launch/environment.sh
  install_into_venv '[gpu]'
run: |
  cd xlbarrier
  if [ "\$SKYPILOT_NUM_NODES" -gt 1 ]; then
    export COORDINATOR_ADDRESS="\$(echo "\$SKYPILOT_NODE_IPS" | head -n 1):8476"
    export NUM_PROCESSES=\$SKYPILOT_NUM_NODES PROCESS_ID=\$SKYPILOT_NODE_RANK
  fi
  exec $(line_of "${words[@]}" "${flags[@]}")
END
}

if [ "$dry_run" = 1 ]; then
  task
else
  place=$(mktemp "${TMPDIR:-/tmp}/xlbarrier-XXXXXX.yaml")
  task >"$place"
  sky jobs launch --yes --name "$NAME" "$place"
fi
