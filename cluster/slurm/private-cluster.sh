#!/usr/bin/env bash
# A whole Slurm of one's own on one machine: munged, slurmctld and some slurmd
# as plain processes in a folder, without systemd, to try Slurm scripts on.
set -euo pipefail

usage() {
    cat <<'END'
usage: cluster/slurm/private-cluster.sh start DIR [NODES]
       cluster/slurm/private-cluster.sh stop DIR

start makes NODES (default 2) nodes n1, n2, ... of two processors each, keeps
everything in DIR and writes DIR/env.sh:

    cluster/slurm/private-cluster.sh start /tmp/slurm 2
    . /tmp/slurm/env.sh
    sinfo
    sbatch cluster/slurm/train.sbatch cluster/jobs/demo.yaml
    cluster/slurm/private-cluster.sh stop /tmp/slurm

Needs root (slurmd starts jobs as their owners) and the packages slurmctld
slurmd slurm-client munge slurm-wlm-basic-plugins. PORT=27000 is the first of
the NODES + 1 ports it uses.
END
}

fail() {
    printf 'private-cluster: %s\n' "$*" >&2
    exit 1
}

make_folders() {
    local dir=$1 nodes=$2 i
    mkdir -p "$dir/state" "$dir/log" "$dir/munge" "$dir/run"
    for i in $(seq 1 "$nodes"); do
        # Each slurmd needs a temporary folder of its own: PMIx puts its
        # sockets there, under names that do not tell nodes apart.
        mkdir -p "$dir/spool/n$i" "$dir/tmp/n$i"
    done
    chmod 755 "$dir"
    chmod 700 "$dir/munge"
    dd if=/dev/urandom of="$dir/munge/key" bs=1024 count=1 status=none
    chmod 400 "$dir/munge/key"
}

write_config() {
    local dir=$1 nodes=$2 port=$3 host i
    host=$(hostname -s)
    {
        cat <<END
ClusterName=private
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/run/munge.socket,cred_expire=3
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
TmpFS=$dir/tmp/%n
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$dir/log/jobcomp.txt
SwitchType=switch/none
MpiDefault=pmix
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=3
MinJobAge=300
SlurmdTimeout=10
JobRequeue=1
END
        for i in $(seq 1 "$nodes"); do
            echo "NodeName=n$i NodeHostname=$host NodeAddr=127.0.0.1" \
                "Port=$((port + i)) CPUs=2 RealMemory=1000 State=UNKNOWN"
        done
        echo "PartitionName=normal Nodes=n[1-$nodes] Default=YES" \
            "MaxTime=INFINITE State=UP"
    } >"$dir/slurm.conf"
    # slurmd in a container must not look for cgroups it may not change.
    printf 'CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n' >"$dir/cgroup.conf"
    {
        echo "# Made by private-cluster.sh: sinfo, sbatch and srun use it."
        echo "export SLURM_CONF='$dir/slurm.conf'"
        echo "# Nodes that share one host name confuse Open MPI's shared memory:"
        echo "export OMPI_MCA_btl=self,tcp"
        echo "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"
    } >"$dir/env.sh"
}

start() {
    local dir=$1 nodes=$2 i program
    for program in munged slurmctld slurmd sinfo; do
        command -v "$program" >/dev/null || fail "$program is missing:" \
            "apt-get install --no-install-recommends slurmctld slurmd" \
            "slurm-client munge slurm-wlm-basic-plugins"
    done
    [ "$(id -u)" -eq 0 ] || fail "start needs root"
    [ ! -e "$dir/slurm.conf" ] || fail "$dir holds a cluster: stop it first"
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    make_folders "$dir" "$nodes"
    write_config "$dir" "$nodes" "${PORT:-27000}"
    export SLURM_CONF=$dir/slurm.conf
    munged --force --key-file="$dir/munge/key" --num-threads=2 \
        --socket="$dir/run/munge.socket" --pid-file="$dir/run/munged.pid" \
        --log-file="$dir/log/munged.log" --seed-file="$dir/munge/seed"
    slurmctld -f "$dir/slurm.conf"
    for i in $(seq 1 "$nodes"); do
        slurmd -f "$dir/slurm.conf" -N "n$i"
    done
    for i in $(seq 1 100); do
        if [ "$(sinfo -h -N -t idle -o %N 2>/dev/null | sort -u | wc -l)" \
            -eq "$nodes" ]; then
            echo "$nodes nodes are up; next:"
            echo ". $dir/env.sh"
            return
        fi
        sleep 0.1
    done
    sinfo -N >&2 || true
    fail "the nodes did not come up in 10 s; see $dir/log"
}

# Pids of this cluster's daemons: a pid file may be stale, so the command line
# must name DIR.
daemons() {
    local dir=$1 file pid
    for file in "$dir"/run/slurmd-*.pid "$dir"/run/slurmctld.pid \
        "$dir"/run/munged.pid; do
        pid=$(cat "$file" 2>/dev/null) || continue
        if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null |
            grep -qF -- "$dir/"; then
            echo "$pid"
        fi
    done
}

stop() {
    local dir=$1 pid i
    [ -e "$dir/slurm.conf" ] || fail "$dir holds no cluster"
    dir=$(cd "$dir" && pwd)
    for pid in $(daemons "$dir"); do
        kill "$pid" 2>/dev/null || true
    done
    for i in $(seq 1 100); do
        if [ -z "$(daemons "$dir")" ]; then
            rm -f "$dir/slurm.conf"
            echo "stopped; the logs stay in $dir/log"
            return
        fi
        sleep 0.1
    done
    fail "these did not stop in 10 s: $(daemons "$dir" | tr '\n' ' ')"
}

case ${1-} in
-h | --help) usage ;;
start)
    { [ $# -ge 2 ] && [ $# -le 3 ]; } || { usage >&2; exit 2; }
    start "$2" "${3:-2}"
    ;;
stop)
    [ $# -eq 2 ] || { usage >&2; exit 2; }
    stop "$2"
    ;;
*) usage >&2; exit 2 ;;
esac
