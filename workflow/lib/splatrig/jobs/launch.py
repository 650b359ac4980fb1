"""Processes that compute one thing together, each on its own device: started, watched and ended as one."""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any, TypeAlias

import torch.distributed
import torch.multiprocessing

from splatrig.io.errors import InputError
from splatrig.jobs.logs import log_as_starter, plain_words
from splatrig.jobs.parent_watchdog import die_with

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""Interval of checking the processes."""
END_SECONDS = 30.0
"""Time for a killed process to release its GPU before a warning is logged."""
_HOST = "127.0.0.1"
_LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
"""Environment that makes all processes listen on the loopback interface alone, since they are on one machine."""
_PF_EXITING = 0x4  # Linux, include/linux/sched.h
_Reports: TypeAlias = "SimpleQueue[tuple[int, Exception | None]]"
"""Queue of each process's number, with its error or None if it has succeeded."""


class RankError(RuntimeError):
    """Failure of a process with an unexpected error; its traceback is the message."""


def run_together(target: Callable[[Any], None], argument: Mapping[str, Any], places: Sequence[str]) -> None:
    """Call a module's function `target` with `argument` in one process per device of `places`, and wait.

    A place is the name of a GPU, the only one that its process sees, or "" for the CPU. torch.distributed is
    initialized in the processes, with NCCL or gloo, on the loopback interface alone. The log of the first process (rank
    0) goes where this process logs; of the others only warnings do. The processes import the calling program, so the
    call must be below `if __name__ == "__main__":`.

    When one process fails all are ended and its error is raised here: InputError with its sentence, or RankError. No
    process outlives this call or the calling thread (best the main one), however its process ends.
    """
    listener = socket.create_server((_HOST, 0)).detach()  # the store would otherwise listen on all interfaces
    store = torch.distributed.TCPStore(_HOST, 0, is_master=True, wait_for_workers=False, master_listen_fd=listener)
    reports = multiprocessing.get_context("spawn").SimpleQueue()
    shared = (target, dict(argument), list(places), store.port, os.getpid(), reports)
    processes = torch.multiprocessing.spawn(_compute, shared, nprocs=len(places), join=False).processes
    try:
        failed = _first_to_fail(processes, reports)
    finally:
        _end(processes)
    if failed is not None:
        number, error = failed
        raise error or _killed(_name(number, places), processes[number].exitcode)


def _compute(
    number: int,
    target: Callable[[Any], None],
    argument: dict[str, Any],
    places: list[str],
    port: int,
    starter: int,
    reports: _Reports,
) -> None:
    """Do the part of process `number`, and report success or the error."""
    die_with(starter)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupts are left to the parent, which ends this process
    os.environ.update({**_LOOPBACK, **os.environ, "CUDA_VISIBLE_DEVICES": places[number]})
    log_as_starter(logging.INFO if number == 0 else logging.WARNING)
    try:
        store = torch.distributed.TCPStore(_HOST, port, is_master=False)
        backend = "nccl" if places[number] else "gloo"
        torch.distributed.init_process_group(backend, store=store, rank=number, world_size=len(places))
        target(argument)
        reports.put((number, None))
        torch.distributed.destroy_process_group()
    except BaseException as error:
        words = plain_words(error)
        told = f"{_name(number, places)} failed:\n{traceback.format_exc()}"
        reports.put((number, RankError(told) if words is None else InputError(words)))
        sys.stderr.flush()
        os._exit(1)  # other threads and peers may hang


def _first_to_fail(processes: Sequence[BaseProcess], reports: _Reports) -> tuple[int, Exception | None] | None:
    """Wait for all processes; return the number of the first one that failed and its error (None: it reported none).

    It does not wait until a failed process has ended: the driver of a GPU may keep it until a peer on another GPU,
    whose kernels wait for it, has ended too.
    """
    told: dict[int, Exception | None] = {}
    while len(told) < len(processes) or any(process.is_alive() for process in processes):
        time.sleep(LOOK_SECONDS)
        ending = [number for number, process in enumerate(processes) if _is_ending(process)]
        while not reports.empty():
            number, error = reports.get()
            told.setdefault(number, error)
        failed: list[tuple[int, Exception | None]] = []
        failed += [(number, None) for number in ending if number not in told]  # later failures are its consequences
        failed += [(number, error) for number, error in told.items() if error is not None]  # in order of arrival
        if failed:
            return failed[0]
    return None


def _is_ending(process: BaseProcess) -> bool:
    """Return whether a process has ended or is ending, by itself or because it was killed."""
    if not process.is_alive():
        return True
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8")
    except OSError:  # not on Linux
        return False
    return bool(int(stat.rpartition(")")[2].split()[6]) & _PF_EXITING)


def _killed(name: str, code: int | None) -> InputError:
    """Return the error of a process that ended with `code` (None: the kernel still holds it) without a report."""
    how = f"by {signal.Signals(-code).name}" if code and code < 0 else f"with {code}" if code else "unseen"
    return InputError(
        f"learned rig: {name} was ended {how}; where memory is short lower learned.memory_gib or learned.devices, or "
        "ask for more, then run the same command again."
    )


def _name(number: int, places: Sequence[str]) -> str:
    return f"process {number + 1} of {len(places)} ({f'GPU {places[number]}' if places[number] else 'CPU'})"


def _end(processes: Sequence[BaseProcess]) -> None:
    """Kill all processes, then wait for them, since one may be kept until the others are gone."""
    for process in processes:
        process.kill()
    for process in processes:
        process.join(END_SECONDS)
        if process.is_alive():
            logger.warning("process %d was killed and has not ended within %.0f s", process.pid, END_SECONDS)
