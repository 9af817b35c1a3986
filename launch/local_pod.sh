#!/usr/bin/env bash
# Runs xlbarrier as a pod of N processes on this machine: what a real pod does, where it can be seen.
#
#   bash launch/local_pod.sh [--dry-run] N FLAGS OF xlbarrier.main
#
#   e.g.  bash launch/local_pod.sh 2 --config=configs/quickstart.py --workdir=runs/pod
#
# On a CPU each process has DEVICES devices of its own; with GPUs=1 process K sees GPU K alone. When
# a process is killed, the others are ended and all are started again, RESTARTS times at most; they
# continue from the last checkpoint. An error of the run itself (status below 128) ends the pod, and
# so does Ctrl-C. Process 0 prints here, the others to LOGS/process-K.log. The first call sets up
# .venv.
set -euo pipefail

# Variables; those of the environment win.
DEVICES=${DEVICES:-1}                                  # CPU devices of each process
GPUS=${GPUS:-0}                                        # 1: one GPU for each process
RESTARTS=${RESTARTS:-3}                                # after a process was killed
PORT=${PORT:-}                                         # of the coordinator; default: a free one
LOGS=${LOGS:-}                                         # default: a new temporary folder
COMMAND=${COMMAND:-.venv/bin/python -m xlbarrier.main} # the flags are added to it

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=launch/common.sh
source "$here/common.sh"
begin_arguments "$@"
count=${flags[0]:-}
[[ $count =~ ^[1-9][0-9]*$ ]] || fail "the number of processes is '$count'; expected 1 or more"
flags=("${flags[@]:1}")
need_flags "${flags[@]}"
read -ra words <<<"$COMMAND"
cd "$here/.."

free_port() {
  python3 -c 'import socket
with socket.socket() as s:
    s.bind(("localhost", 0))
    print(s.getsockname()[1])'
}

variables_of() {
  printf '%s\n' "COORDINATOR_ADDRESS=localhost:$port" "NUM_PROCESSES=$count" "PROCESS_ID=$1"
  if [ "$GPUS" = 1 ]; then
    printf '%s\n' "CUDA_VISIBLE_DEVICES=$1"
  else
    printf '%s\n' JAX_PLATFORMS=cpu "JAX_NUM_CPU_DEVICES=$DEVICES"
  fi
}

pids=()
end_all() {
  local pid
  for pid in "${pids[@]}"; do
    kill "-$1" "$pid" 2>/dev/null || true
  done
}

start_all() {
  local number variables
  pids=()
  port=${PORT:-$(free_port)}
  for ((number = 0; number < count; number++)); do
    mapfile -t variables < <(variables_of "$number")
    if [ "$number" = 0 ]; then
      env "${variables[@]}" "${words[@]}" "${flags[@]}" &
    else
      env "${variables[@]}" "${words[@]}" "${flags[@]}" >>"$LOGS/process-$number.log" 2>&1 &
    fi
    pids+=($!)
  done
}

# The status of the first process that fails, after ending the others; 0 when all succeed.
wait_all() {
  local left=$count status
  while [ "$left" -gt 0 ]; do
    status=0
    wait -n || status=$?
    left=$((left - 1))
    if [ "$status" != 0 ]; then
      end_all TERM
      (sleep 20; end_all KILL) >/dev/null 2>&1 &
      local late=$!
      wait "${pids[@]}" 2>/dev/null || true
      kill "$late" 2>/dev/null || true
      return "$status"
    fi
  done
}

if [ "$dry_run" = 1 ]; then
  port=${PORT:-PORT}
  for ((number = 0; number < count; number++)); do
    mapfile -t variables < <(variables_of "$number")
    printf '%s\n' "$(line_of env "${variables[@]}" "${words[@]}" "${flags[@]}")"
  done
  exit
fi
if [[ $COMMAND == .venv/* ]]; then
  # shellcheck source=launch/environment.sh
  source launch/environment.sh
  extras=''
  [ "$GPUS" != 1 ] || extras='[gpu]'
  install_into_venv "$extras"
fi
LOGS=${LOGS:-$(mktemp -d)}
mkdir -p "$LOGS"
trap 'end_all TERM' TERM INT
for ((attempt = 0; ; attempt++)); do
  start_all
  echo "$count processes: ${pids[*]}; logs of the others: $LOGS" >&2
  status=0
  wait_all || status=$?
  # 143: asked to stop, with a checkpoint written; 130: Ctrl-C.
  if [ "$status" -le 128 ] || [ "$status" = 143 ] || [ "$status" = 130 ]; then
    exit "$status"
  fi
  if [ "$attempt" -ge "$RESTARTS" ]; then
    echo "ERROR: a process was killed (status $status) after $RESTARTS restarts" >&2
    exit "$status"
  fi
  echo "A process was killed (status $status): all are started again" >&2
done
