"""Bring up a real one-node SLURM (slurmctld, slurmd, munge) from Debian's packages, for the time of a test.

Configuration, key, sockets, state and logs are in the test's folder, and every daemon ends with the process that
started it: whatever happens to a test, it leaves nothing in /etc and disturbs no SLURM that the machine has.
"""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

INSTALL = "apt-get install slurm-wlm munge"
INSTALL_ACCOUNTING = "apt-get install slurmdbd mariadb-server"


def missing(accounting: bool = False) -> str | None:
    """Return why SLURM cannot run here, with the line that mends it, or None when it can."""
    if os.geteuid() != 0:
        return "a one-node SLURM needs root to start its daemons"
    for names, line in (
        (("sbatch", "slurmctld", "slurmd", "munged", "setpriv"), INSTALL),
        (("slurmdbd", "mariadbd", "mariadb-install-db") if accounting else (), INSTALL_ACCOUNTING),
    ):
        absent = [name for name in names if shutil.which(name) is None]
        if absent:
            return f"{', '.join(absent)} not found; install with: {line}"
    return None


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in sockets]


def _write(path: Path, settings: dict[str, object]) -> None:
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    path.chmod(0o600)  # slurmdbd insists


def _settings(folder: Path, host: str, munge: Path) -> dict[str, object]:
    """Return slurm.conf of one node that hands out its cores and memory, without accounting."""
    memory_mb = int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20) - 512
    controller, daemon = _free_ports(2)
    return {
        "ClusterName": "test",
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "SlurmctldPort": controller,
        "SlurmdPort": daemon,
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={munge}",
        "CredType": "cred/munge",
        "StateSaveLocation": folder / "state",
        "SlurmdSpoolDir": folder / "spool",
        "SlurmctldPidFile": folder / "slurmctld.pid",
        "SlurmdPidFile": folder / "slurmd.pid",
        "SlurmctldLogFile": folder / "slurmctld.log",
        "SlurmdLogFile": folder / "slurmd.log",
        "PlugStackConfig": "/dev/null",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU_Memory",
        "SchedulerParameters": "sched_interval=1,bf_interval=1",
        "MpiDefault": "none",
        "ReturnToService": "2",
        "AccountingStorageType": "accounting_storage/none",
        "JobAcctGatherType": "jobacct_gather/linux",
        "JobAcctGatherFrequency": "task=1",
        "JobAcctGatherParams": "OverMemoryKill",
        "MinJobAge": "3600",  # squeue must still know a job that ended between two looks, and the test after the run
        "KillWait": "3",
        "NodeName": f"{host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory={memory_mb} State=UNKNOWN",
        "PartitionName": f"cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO",
    }


def _accounting(stack: ExitStack, folder: Path, munge: Path) -> dict[str, object]:
    """Start a database and slurmdbd until the stack ends; return what slurm.conf has to say about them."""
    data, mysql = folder / "database", folder / "mysql.sock"
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--user={getpass.getuser()}"]
    subprocess.run([*install, "--auth-root-authentication-method=socket"], check=True, capture_output=True)
    server = ["mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={mysql}", "--skip-networking"]
    stack.enter_context(_daemon([*server, f"--user={getpass.getuser()}"], folder))
    _wait_for(["mariadb-admin", "--no-defaults", f"--socket={mysql}", "ping"], "alive", folder)
    (port,) = _free_ports(1)
    settings = {
        "DbdHost": "localhost",
        "DbdPort": port,
        "SlurmUser": "root",
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={munge}",
        "LogFile": folder / "slurmdbd.log",
        "PidFile": folder / "slurmdbd.pid",
        "StorageType": "accounting_storage/mysql",
        "StorageUser": getpass.getuser(),
        "StorageLoc": "slurm",
    }
    _write(folder / "slurmdbd.conf", settings)
    environment = {"SLURM_CONF": str(folder / "slurm.conf"), "MYSQL_UNIX_PORT": str(mysql)}
    stack.enter_context(_daemon(["slurmdbd", "-D"], folder, **environment))
    _wait_for(["tail", str(folder / "slurmdbd.log")], " started", folder)
    return {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "localhost",
        "AccountingStoragePort": port,
        "AccountingStoragePass": munge,  # what SLURM calls a password is munge's socket here
    }


def _commands(folder: Path) -> str:
    """Return a PATH on which srun knows its configuration though SLURM_* was dropped, as in Snakemake's job steps."""
    place = folder / "bin"
    place.mkdir()
    srun = place / "srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
    srun.chmod(0o755)
    return f"{place}:{Path(sys.executable).parent}:{os.environ['PATH']}"


@contextmanager
def one_node(folder: Path, accounting: bool = False) -> Iterator[dict[str, str]]:
    """Run a SLURM of this machine until the block ends; yield the environment in which its commands find it."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": _commands(folder)}
    munge, key = folder / "munge.socket", folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    host = socket.gethostname().split(".")[0]
    settings = _settings(folder, host, munge)
    with ExitStack() as stack:
        places = {"socket": munge, "key-file": key, "pid-file": folder / "munge.pid", "log-file": folder / "munge.log"}
        places["seed-file"] = folder / "munge.seed"
        munged = ["munged", "--foreground", "--force", *(f"--{name}={path}" for name, path in places.items())]
        stack.enter_context(_daemon(munged, folder))
        _wait_for(["munge", f"--socket={munge}", "--no-input"], "MUNGE:", folder)
        if accounting:
            settings |= _accounting(stack, folder, munge)
        _write(folder / "slurm.conf", settings)
        stack.enter_context(_daemon(["slurmctld", "-D", "-c"], folder, **environment))
        stack.enter_context(_daemon(["slurmd", "-D"], folder, **environment))
        _wait_for(["sinfo", "-h", "-o", "%T"], "idle", folder, **environment)
        yield environment
        subprocess.run(["scancel", "--user", "root"], env=os.environ | environment, capture_output=True, timeout=20)


@contextmanager
def _daemon(command: list[str], folder: Path, **environment: str) -> Iterator[None]:
    """Run a daemon until the block ends, or this process does, however it ends."""
    with (folder / f"{command[0]}.out").open("wb") as words:
        daemon = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            env=os.environ | environment,
            stdout=words,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        daemon.terminate()
        try:
            daemon.wait(timeout=20)
        except subprocess.TimeoutExpired:
            daemon.kill()


def _wait_for(command: list[str], word: str, folder: Path, seconds: float = 30, **environment: str) -> None:
    """Repeat a command until it says a word."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        limited = ["timeout", "-k", "1", "5", *command]
        if word in subprocess.run(limited, env=os.environ | environment, capture_output=True, text=True).stdout:
            return
        time.sleep(0.2)
    raise RuntimeError(f"{command[0]} did not answer {word!r} within {seconds} s; see the logs in {folder}")
