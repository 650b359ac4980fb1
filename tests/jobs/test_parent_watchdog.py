"""A job does not outlive what started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

JOB = (
    "import os, pathlib, time; from splatrig.jobs.logs import log_to; "
    "log_to({log!r}); pathlib.Path({ready!r}).write_text(str(os.getpid())); time.sleep(60)"
)
STARTER = "import subprocess, sys; subprocess.run(sys.argv[1:])"


def wait_for(condition, seconds=20.0):
    for _ in range(int(seconds * 20)):
        if condition():
            return True
        time.sleep(0.05)
    return False


def is_alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux tells when another process ends")
@pytest.mark.parametrize("shell", [False, True], ids=["started directly", "started by a shell"])
def test_a_job_ends_when_its_workflow_is_killed(tmp_path, shell):
    log, ready = tmp_path / "job.log", tmp_path / "ready"
    job = [sys.executable, "-c", JOB.format(log=str(log), ready=str(ready))]
    script = tmp_path / "job.sh"
    script.write_text('"$@"\necho the shell goes on\n')  # so that the shell stays between
    command = ["bash", str(script), *job] if shell else job
    with subprocess.Popen([sys.executable, "-c", STARTER, *command], stdout=subprocess.DEVNULL) as workflow:
        try:
            assert wait_for(lambda: ready.exists() and ready.read_text())
            last = int(ready.read_text())
            assert is_alive(last)
        finally:
            workflow.send_signal(signal.SIGKILL)
    assert wait_for(lambda: not is_alive(last))
    assert "is gone; the job ends" in log.read_text()
