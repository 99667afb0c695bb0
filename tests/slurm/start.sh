#!/usr/bin/env bash
# Starts a SLURM of one node and two CPUs on this machine, or one of its daemons again: root, and Debian's slurm-wlm and
# munge. There is no database, and nothing of it outlives the folder. Then: export SLURM_CONF=FOLDER/slurm.conf
#
#     tests/slurm/start.sh FOLDER
set -euo pipefail
folder=$(realpath -m "$1")
mkdir -p "$folder"/{state,spool}
cat >"$folder/slurm.conf" <<CONF
ClusterName=tests
SlurmctldHost=$(hostname)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5  # a job that is put back into the queue waits as long, two minutes by default
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=10
ReturnToService=2
NodeName=$(hostname) CPUs=2 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES PriorityTier=1
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF
CONF
export SLURM_CONF=$folder/slurm.conf
if ! munge -n >/dev/null 2>&1; then
    install -d -o munge -g munge -m 755 /run/munge
    runuser -u munge -- munged
fi
alive() { [ -s "$folder/$1.pid" ] && kill -0 "$(cat "$folder/$1.pid")" 2>/dev/null; }
alive slurmctld || slurmctld
alive slurmd || slurmd
for _ in $(seq 100); do
    if sinfo -h -o %T 2>/dev/null | grep -q -E 'idle|mixed|allocated'; then exit 0; fi
    sleep 0.2
done
echo "SLURM does not answer; its logs are in $folder" >&2
exit 1
