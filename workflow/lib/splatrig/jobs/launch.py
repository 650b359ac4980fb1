"""Processes that compute one thing together, each on a device of its own: started, watched and ended as one."""

import fcntl
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from splatrig.io.errors import InputError
from splatrig.jobs import rank

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""Between two looks at the processes."""
END_SECONDS = 30.0
"""For a killed process to give back its GPU; then it is left to the kernel."""
_PF_EXITING = 0x4  # Linux, include/linux/sched.h
_FOLDER = "splatrig-together-"
"""How the names of folders begin in which processes meet."""
_SETTLED_SECONDS = 60.0
"""After this a folder that nobody has locked belongs to nobody any more."""
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
"""All processes are on one machine: they listen to nobody else, and need no name of it."""


class RankError(RuntimeError):
    """A process failed by an error that nobody has put into words for users; its traceback is the message."""


def run_together(target: Callable[[Any], None], argument: Mapping[str, Any], places: Sequence[str]) -> None:
    """Call a module's function `target` with `argument` (plain values) in one process for each of `places`, and wait.

    A place is the name of a GPU, which is all that its process sees, or "" for the CPU. In the processes
    torch.distributed is initialised, with NCCL or gloo; they find each other through a file and listen on the loopback
    interface alone. What the first one (rank 0) logs goes where this process logs, and of the others warnings.

    When one fails all are ended, and its error is raised here: InputError with its sentence, or RankError. None
    outlives this call, nor the calling thread (the main one, best), however its process ends.
    """
    with _meeting_place() as folder:
        task = rank.Task(f"{target.__module__}:{target.__qualname__}", dict(argument), list(places), os.getpid())
        rank.write_task(folder, task)
        processes: list[subprocess.Popen[bytes]] = []
        try:
            processes += [_started(folder, number, place) for number, place in enumerate(places)]
            while not (gone := _gone(folder, processes)) and any(process.poll() is None for process in processes):
                time.sleep(LOOK_SECONDS)
        finally:
            _end(processes)
        if gone:
            raise cause(folder, {number: processes[number].returncode for number in gone}, places)


@contextmanager
def _meeting_place() -> Iterator[Path]:
    """Yield a folder in the temporary one, locked; remove those that killed processes have left there.

    The kernel lifts a lock when the process that holds it ends, however it ends.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        _remove_if_left(left)
    with tempfile.TemporaryDirectory(prefix=_FOLDER) as name:
        lock = os.open(name, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(lock)


def _remove_if_left(folder: Path) -> None:
    """Remove a meeting place that is this user's and nobody's process holds."""
    try:
        if time.time() - folder.stat().st_mtime < _SETTLED_SECONDS:
            return
        lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:  # gone meanwhile, or another user's
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)


def _gone(folder: Path, processes: Sequence["subprocess.Popen[bytes]"]) -> list[int]:
    """Return which processes have failed: they say so, or they end.

    It is not waited for that they have ended: the driver of a GPU may keep a process until a peer on another GPU, whose
    kernels wait for it, has ended too.
    """
    return [
        number
        for number, process in enumerate(processes)
        if (rank.read_failure(folder, number) or process.poll() is not None or _is_ending(process))
        and not rank.has_done_it(folder, number)
    ]


def _is_ending(process: "subprocess.Popen[bytes]") -> bool:
    """Return whether a process has begun to end, by itself or because it was killed."""
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8")
    except OSError:  # not on Linux
        return False
    return bool(int(stat.rpartition(")")[2].split()[6]) & _PF_EXITING)


def _end(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Kill all processes, then wait for them: one may be held until the others are gone."""
    for process in processes:
        process.kill()
    for process in processes:
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            logger.warning("process %d was killed and has not ended within %.0f s", process.pid, END_SECONDS)


def _started(folder: Path, number: int, place: str) -> "subprocess.Popen[bytes]":
    environment = {**LOOPBACK, **os.environ, "CUDA_VISIBLE_DEVICES": place}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-m", rank.__name__, str(folder), str(number)]
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)


def cause(folder: Path, codes: Mapping[int, int | None], places: Sequence[str]) -> Exception:
    """Return the error of the process that failed first: others fail because it is gone.

    `codes` are what the processes that failed ended with, None for one that the kernel still holds.
    """
    told: list[tuple[str, rank.Failure]] = []
    for number, code in codes.items():
        name = f"process {number + 1} of {len(places)} ({f'GPU {places[number]}' if places[number] else 'CPU'})"
        failure = rank.read_failure(folder, number)
        if failure is None:  # it had no time to say why
            how = f"by {signal.Signals(-code).name}" if code and code < 0 else f"with {code}" if code else "unseen"
            return InputError(
                f"learned rig: {name} was ended {how}; where memory is short lower learned.memory_gib or "
                "learned.devices, or ask for more, then run the same command again."
            )
        told.append((name, failure))
    name, first = min(told, key=lambda pair: pair[1].time)
    return InputError(first.text) if first.plain else RankError(f"{name} failed:\n{first.text}")
