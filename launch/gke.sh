#!/usr/bin/env bash
# Runs xlbarrier on TPU slices of a GKE cluster, as a JobSet.
#
#   NAME=run-1 IMAGE=... BUCKET=... bash launch/gke.sh [--dry-run] FLAGS OF xlbarrier.main
#
#   e.g.  ... --config=quickstart --workdir=/data/runs/run-1 --config.mesh.fsdp=16
#
# The cluster needs JobSet (https://jobset.sigs.k8s.io) and the Cloud Storage FUSE driver; BUCKET is
# mounted at /data. IMAGE is made from launch/Dockerfile. After a preemption or a failed node all
# workers are started again, RESTARTS times at most, and continue. --dry-run prints the manifest.
set -euo pipefail

# Variables; those of the environment win.
NAME=${NAME:-}                                            # of the JobSet
IMAGE=${IMAGE:-}                                          # e.g. REGION-docker.pkg.dev/P/R/xlbarrier:tpu
BUCKET=${BUCKET:-}                                        # of Cloud Storage, without gs://
SERVICE_ACCOUNT=${SERVICE_ACCOUNT:-default}               # of Kubernetes; may read and write BUCKET
ACCELERATOR=${ACCELERATOR:-tpu-v5-lite-podslice}
TOPOLOGY=${TOPOLOGY:-4x4}
CHIPS_PER_HOST=${CHIPS_PER_HOST:-4}
RESTARTS=${RESTARTS:-10}
NAMESPACE=${NAMESPACE:-default}
COMMAND=${COMMAND:-python -m xlbarrier.main}              # the flags are added to it

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=launch/common.sh
source "$here/common.sh"
begin_arguments "$@"
need_variables NAME IMAGE BUCKET
need_flags "${flags[@]}"
need_tool kubectl 'https://kubernetes.io/docs/tasks/tools'
[[ $NAME =~ ^[a-z]([a-z0-9-]{0,40}[a-z0-9])?$ ]] ||
  fail "NAME is '$NAME'; expected small letters, digits and hyphens, 42 at most"
[[ $TOPOLOGY =~ ^[0-9]+(x[0-9]+){1,2}$ ]] || fail "TOPOLOGY is '$TOPOLOGY'; expected e.g. 4x4"
hosts=$((${TOPOLOGY//x/*} / CHIPS_PER_HOST))
[ "$hosts" -ge 1 ] || fail "TOPOLOGY $TOPOLOGY has fewer than CHIPS_PER_HOST=$CHIPS_PER_HOST chips"

# A word as a YAML string in double quotes, which are JSON's.
yaml_string() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

manifest() {
  local word
  cat <<END
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata:
  name: $NAME
  namespace: $NAMESPACE
  annotations:
    alpha.jobset.sigs.k8s.io/exclusive-topology: cloud.google.com/gke-nodepool
spec:
  failurePolicy:
    maxRestarts: $RESTARTS
  replicatedJobs:
    - name: slice
      replicas: 1
      template:
        spec:
          parallelism: $hosts
          completions: $hosts
          backoffLimit: 0
          template:
            metadata:
              annotations:
                gke-gcsfuse/volumes: "true"
            spec:
              restartPolicy: Never
              terminationGracePeriodSeconds: 300
              serviceAccountName: $SERVICE_ACCOUNT
              nodeSelector:
                cloud.google.com/gke-tpu-accelerator: $ACCELERATOR
                cloud.google.com/gke-tpu-topology: $TOPOLOGY
              containers:
                - name: xlbarrier
                  image: $IMAGE
                  env:
                    - name: XLBARRIER_DISTRIBUTED
                      value: "1"
                  command:
END
  for word in "${words[@]}" "${flags[@]}"; do
    echo "                    - $(yaml_string "$word")"
  done
  cat <<END
                  ports:
                    - containerPort: 8471
                  resources:
                    requests:
                      google.com/tpu: "$CHIPS_PER_HOST"
                    limits:
                      google.com/tpu: "$CHIPS_PER_HOST"
                  volumeMounts:
                    - name: data
                      mountPath: /data
              volumes:
                - name: data
                  csi:
                    driver: gcsfuse.csi.storage.gke.io
                    volumeAttributes:
                      bucketName: $BUCKET
END
}

read -ra words <<<"$COMMAND"
if [ "$dry_run" = 1 ]; then
  manifest
else
  manifest | kubectl apply -f -
fi
