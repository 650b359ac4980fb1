"""End a job when the workflow that started it is gone, so that a later run never meets a job of an earlier one."""

import ctypes
import logging
import os
import select
import signal
import sys
import threading
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_SHELLS = frozenset({"bash", "dash", "sh", "zsh"})
logger = logging.getLogger(__name__)


def end_with_workflow() -> None:
    """End this process as soon as the one that started it (not counting a shell between) ends, on Linux.

    Outputs are written next to their targets and moved into place, so an ended job leaves no incomplete file.
    """
    parent = _starter(os.getppid())
    if parent <= 1 or not hasattr(os, "pidfd_open"):
        return
    try:
        handle = os.pidfd_open(parent)
    except OSError:  # ended already, or in another process namespace
        return
    threading.Thread(target=_wait, args=(handle, parent), name="lifeline", daemon=True).start()


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when `parent`, which started it, ends in any way, on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the request to the kernel
        os._exit(1)


def _starter(parent: int) -> int:
    """Return the process that started a job whose parent is `parent`: that, or its parent if it is a shell."""
    try:
        if Path(f"/proc/{parent}/comm").read_text(encoding="utf-8").strip() not in _SHELLS:
            return parent
        status = Path(f"/proc/{parent}/stat").read_text(encoding="utf-8")
    except OSError:
        return parent
    return int(status.rpartition(")")[2].split()[1])


def _wait(handle: int, parent: int) -> None:
    select.select([handle], [], [])
    logger.error("the workflow that started this job (process %d) is gone; the job ends", parent)
    os._exit(1)
