#!/bin/sh
# Threads are bound as cluster.bind says, the first lines say how, and the
# result is the same. A host with two memory nodes is described to hwloc.
. "$(dirname "$0")/lib.sh"

demo loo-full
job job.yaml loo-full 1

# on_two COMMAND... : as if memory were in two nodes.
on_two() {
    env 'HWLOC_SYNTHETIC=numa:2 core:1 pu:1' HWLOC_THISSYSTEM=1 "$@"
}

ok "nothing" "$FUSOR" train job.yaml --run-dir runs/none \
    --set cluster.bind=none
says 'binds nothing, as cluster.bind says'
digest runs/none
want=$found
ok "cores" "$FUSOR" train job.yaml --run-dir runs/core \
    --set cluster.bind=core --threads 2
says 'binds each thread to a core'
says 'rank 0    worker  processors'
same runs/core
ok "cores of ranks" mpirun --oversubscribe -n 3 "$FUSOR" train job.yaml \
    --run-dir runs/ranks --servers 1 --threads 1 --set cluster.bind=core
says 'rank 0    server  processors'
says 'rank 2    worker  processors'
same runs/ranks
ok "check" "$FUSOR" train job.yaml --check --set cluster.bind=node
shows 'one process binds each thread to a memory node'
ok "one node" env HWLOC_SYNTHETIC='core:2 pu:1' "$FUSOR" train job.yaml --check
shows 'binds nothing: this host has one memory node'
fails 2 'unknown bind "socket"' "$FUSOR" train job.yaml --check --set cluster.bind=socket

# auto, where this process may use the two processors that are described
case $(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status) in
0-*) ;;
*)
    echo "ok: no two processors here for the rest"
    exit 0
    ;;
esac
ok "two nodes" on_two "$FUSOR" train job.yaml --run-dir runs/two --threads 2
says 'binds each thread to a core, its memory near it'
says 'processors 0-1 of node 0, 1'
same runs/two
ok "crowded" on_two "$FUSOR" train job.yaml --check --threads 3 \
    --set train.micro_batches=4
shows 'there are more threads than cores'
ok "a given set" on_two taskset -c 0 "$FUSOR" train job.yaml --check
shows 'binds nothing: the launcher has chosen processors'
ok "ranks on two nodes" mpirun --bind-to none --oversubscribe -n 2 \
    env 'HWLOC_SYNTHETIC=numa:2 core:1 pu:1' HWLOC_THISSYSTEM=1 \
    "$FUSOR" train job.yaml --run-dir runs/spread --servers 1 --threads 1
says 'rank 0    server  processors 0 of node 0'
says 'rank 1    worker  processors 1 of node 1'
same runs/spread
