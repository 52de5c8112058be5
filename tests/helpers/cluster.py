"""A real single-node Slurm on loopback: munged, slurmctld and slurmd as child processes."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "squeue"]
# Debian installs the daemons in folders that are on root's PATH only.
SEARCH_PATH = f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/sbin"
# The squeue columns, in the order of the fields of Job.
FIELDS = ["JobID", "Name", "Comment", "State", "NumCPUs", "MinMemory", "TimeLimit", "tres-per-job"]
FIELDS += ["StartTime", "EndTime"]


def missing_programs() -> list[str]:
    return [name for name in PROGRAMS if shutil.which(name, path=SEARCH_PATH) is None]


@dataclass
class Job:
    """Slurm's record of a job. The name is Snakemake's run ID, the comment its rule and wildcards."""

    id: str
    name: str
    comment: str
    state: str
    cpus: str
    memory: str
    time_limit: str
    gpus: str
    start: str
    end: str


@dataclass
class Cluster:
    variables: dict[str, str]

    def command(self, *arguments: str) -> str:
        """The output of a Slurm command."""
        result = subprocess.run(
            arguments, env=os.environ | self.variables, check=True, capture_output=True, text=True
        )
        return result.stdout

    def jobs(self) -> list[Job]:
        """All jobs since the cluster started, including finished ones, which this cluster never purges."""
        columns = ",".join(f"{field}:100" for field in FIELDS)
        table = self.command("squeue", "--noheader", "--states=all", "--sort=i", f"--Format={columns}")
        rows = [
            [line[start : start + 100].strip() for start in range(0, 100 * len(FIELDS), 100)]
            for line in table.splitlines()
        ]
        return [Job(*row) for row in rows]


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as sockets:
        opened = [sockets.enter_context(socket.socket()) for _ in range(number)]
        for one in opened:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in opened]


def configuration(folder: Path, host: str) -> str:
    """slurm.conf without cgroups or a database, with fast scheduling, keeping finished jobs."""
    user = subprocess.check_output(["id", "-un"], text=True).strip()
    controller_port, node_port = free_ports(2)
    return f"""\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
EnforcePartLimits=ALL
MinJobAge=86400
KillWait=5
ReturnToService=2
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={max(2, os.cpu_count() or 1)} RealMemory=64000 Gres=gpu:1
PartitionName=main Nodes={host} Default=YES
"""


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Cluster]:
    """A running cluster that writes only below `folder`; its daemons stop when the context exits."""
    host = socket.gethostname().split(".")[0]
    for name in ["bin", "state", "spool"]:
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(1024))
    (folder / "slurm.conf").write_text(configuration(folder, host))
    # The GPU can be requested, but there is no device behind it.
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
    # Inside a job, the executor calls srun without SLURM_* variables: this wrapper restores the cluster's.
    srun = folder / "bin/srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
    srun.chmod(0o755)
    variables = {
        "SLURM_CONF": f"{folder}/slurm.conf",
        "PATH": os.pathsep.join([f"{folder}/bin", str(Path(sys.executable).parent), SEARCH_PATH]),
    }
    munged = [
        "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket",
        f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munged.seed",
    ]  # fmt: skip
    daemons = [munged, ["slurmctld", "-D", "-c"], ["slurmd", "-D", "-c", "-N", host]]
    cluster = Cluster(variables)
    running: list[subprocess.Popen[bytes]] = []
    try:
        for command in daemons:
            with (folder / f"{command[0]}.log").open("wb") as log:
                running.append(
                    subprocess.Popen(
                        command, env=os.environ | variables, stdout=log, stderr=subprocess.STDOUT
                    )
                )
        wait_until_idle(cluster, folder)
        yield cluster
    finally:
        end_jobs(cluster)
        for daemon in reversed(running):
            daemon.terminate()
            daemon.wait(30)


def end_jobs(cluster: Cluster, seconds: float = 30) -> None:
    """Cancel the jobs that a failed test left behind, and wait for their processes to exit."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(subprocess.CalledProcessError):
        while cluster.command("squeue", "--noheader") and time.monotonic() < deadline:
            cluster.command("scancel", "--quiet", "--partition=main")
            time.sleep(0.2)


def wait_until_idle(cluster: Cluster, folder: Path, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(subprocess.CalledProcessError):
            if cluster.command("sinfo", "--noheader", "--format=%T").strip() == "idle":
                return
        time.sleep(0.2)
    logs = "\n".join(f"{log.name}:\n{log.read_text()[-2000:]}" for log in sorted(folder.glob("*.log")))
    raise TimeoutError(f"Slurm is not up after {seconds} s.\n{logs}")
