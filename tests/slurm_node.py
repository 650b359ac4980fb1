"""Bring up a real one-node SLURM (slurmctld, slurmd, munge) from Debian's packages, for the time of a test."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSTALL = "apt-get install slurm-wlm munge"
_ETC = Path("/etc/slurm")  # the executor plugin drops SLURM_* from the environment, so only the default place works


def missing() -> str | None:
    """Return why SLURM cannot run here, with the line that mends it, or None when it can."""
    if os.geteuid() != 0:
        return "a one-node SLURM needs root to start its daemons"
    absent = [name for name in ("sbatch", "slurmctld", "slurmd", "munged") if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not found; install with: {INSTALL}"
    if _ETC.joinpath("slurm.conf").exists():
        return "/etc/slurm/slurm.conf exists already; this test leaves a configured SLURM alone"
    return None


def _configuration(folder: Path, host: str, memory_mb: int) -> str:
    state = folder / "state"
    spool = folder / "spool"
    settings = {
        "ClusterName": "test",
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "AuthType": "auth/munge",
        "StateSaveLocation": state,
        "SlurmdSpoolDir": spool,
        "SlurmctldPidFile": folder / "slurmctld.pid",
        "SlurmdPidFile": folder / "slurmd.pid",
        "SlurmctldLogFile": folder / "slurmctld.log",
        "SlurmdLogFile": folder / "slurmd.log",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU_Memory",
        "SchedulerParameters": "sched_interval=1,bf_interval=1",
        "MpiDefault": "none",
        "ReturnToService": "2",
        "AccountingStorageType": "accounting_storage/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "MinJobAge": "3600",  # squeue must still know a job that ended between two looks, and the test after the run
        "KillWait": "3",
        "NodeName": f"{host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory={memory_mb} State=UNKNOWN",
        "PartitionName": f"cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO",
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


@contextmanager
def one_node(folder: Path) -> Iterator[None]:
    """Run slurmctld and slurmd on this machine until the block ends; state and logs go to `folder`."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    host = subprocess.run(["hostname", "-s"], capture_output=True, text=True, check=True).stdout.strip()
    memory = int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20) - 512
    _ETC.mkdir(exist_ok=True)
    configuration = _ETC / "slurm.conf"
    configuration.write_text(_configuration(folder, host, memory))
    for path in ("/run/munge", "/var/log/munge", "/var/lib/munge"):
        Path(path).mkdir(parents=True, exist_ok=True)
        shutil.chown(path, "munge", "munge")
    if subprocess.run("munge -n | unmunge", shell=True, capture_output=True).returncode != 0:
        subprocess.run(["runuser", "-u", "munge", "--", shutil.which("munged") or "munged"], check=True)
    commands = (["slurmctld", "-D", "-c"], ["slurmd", "-D"])
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    daemons = [subprocess.Popen(command, **quiet) for command in commands]
    try:
        _wait_until_idle(folder)
        yield
    finally:
        subprocess.run(["scancel", "--user", "root"], capture_output=True, timeout=20)
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(timeout=30)
        configuration.unlink()


def _wait_until_idle(folder: Path, seconds: float = 30) -> None:
    for _ in range(int(seconds * 2)):
        state = subprocess.run(["timeout", "-k", "1", "5", "sinfo", "-h", "-o", "%T"], capture_output=True, text=True)
        if "idle" in state.stdout:
            return
        time.sleep(0.5)
    raise RuntimeError(f"SLURM did not come up in {seconds} s; see {folder}/slurmctld.log and slurmd.log")
