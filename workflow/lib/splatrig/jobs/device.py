"""Choice of the device of a job: the CPU, or the GPUs that the fewest other jobs use."""

import fcntl
import logging
import os
import platform
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from io import TextIOWrapper
from pathlib import Path

import torch

from splatrig.io.errors import InputError
from splatrig.jobs.device_kind import kind_of, torch_sees_gpu

logger = logging.getLogger(__name__)

SLOTS = 32
"""Maximum number of concurrent jobs counted per user and GPU."""

_claims: list[TextIOWrapper] = []
"""Locks that this process holds until it ends."""


def choose_device(device: str, threads: int) -> torch.device:
    """Return the device of `auto`, `cuda` or `cpu`; on the CPU torch uses `threads` threads.

    If there are several GPUs the process sees only the one that it gets (`claim_card`), so call this before CUDA is
    used.

    Args:
        device: `device` of the configuration.
        threads: Number of threads on the CPU.

    Returns:
        The device.

    Raises:
        InputError: CUDA is requested and there is none.
    """
    if device != "cpu":
        claim_card()
    kind = kind_of(device, torch_sees_gpu)
    if kind == "cuda" and not torch_sees_gpu():
        built = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is built for CPUs"
        raise InputError(
            f"device: got cuda, but {platform.node()} shows this job no GPU (torch {torch.__version__} {built}); "
            "install a CUDA build of torch and a driver, give the job a GPU, or set device: auto or cpu."
        )
    if kind == "cpu":
        torch.set_num_threads(threads)
    return torch.device(kind)


def choose_places(device: str, count: int) -> list[str]:
    """Return the device of each of `count` processes: the name of its own GPU, or "" for the CPU.

    GPUs are claimed as by `claim_card`, for as long as this process lives. Raises InputError if `device` (auto, cuda or
    cpu) requires GPUs and fewer are visible.
    """
    cards = visible_cards() if device != "cpu" and torch.cuda.device_count() else []
    if kind_of(device, lambda: bool(cards)) == "cpu":
        return [""] * count
    if len(cards) < count:
        raise InputError(
            f"learned.devices: got {count}, but this job sees {len(cards)} GPU{'s' * (len(cards) != 1)} "
            f"({', '.join(cards) or 'none'}); lower learned.devices, show it more GPUs (CUDA_VISIBLE_DEVICES, the "
            "cluster's resource gpu), or set device: cpu."
        )
    return _claim(cards, count, None)


def visible_cards() -> list[str]:
    """Return the names of the GPUs that this process may use, without initializing one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return [str(card) for card in range(torch.cuda.device_count())]
    return [name.strip() for name in visible.split(",") if name.strip()]


def claim_card(folder: Path | None = None) -> None:
    """Hide all GPUs except the one that the fewest jobs of this user have claimed; all share it if there is only one.

    A claim is a lock on a file in `folder` (default: in the machine's temporary folder), so the kernel releases it when
    the job ends, however it ends. If a scheduler shows each job its own GPU, there is nothing to choose.
    """
    cards = visible_cards()
    if len(cards) >= 2:
        os.environ["CUDA_VISIBLE_DEVICES"] = _claim(cards, 1, folder)[0]


def _claim(cards: Sequence[str], count: int, folder: Path | None) -> list[str]:
    """Claim the `count` of the GPUs `cards` that the fewest jobs have claimed; return them."""
    folder = folder or Path(tempfile.gettempdir()) / f"splatrig-cards-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "mutex").open("w") as mutex, ExitStack() as unused:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        free = {card: [lock for slot in range(SLOTS) if (lock := _lock(folder / f"{card}.{slot}"))] for card in cards}
        for locks in free.values():
            for lock in locks:
                unused.enter_context(lock)
        chosen = sorted(cards, key=lambda name: -len(free[name]))[:count]
        for card in chosen:
            if free[card]:
                number = free[card][0].fileno()
                _claims.append(os.fdopen(os.dup(number), "w"))  # the duplicate keeps the lock
    claimed = ", ".join(f"{card} ({SLOTS - len(free[card])})" for card in chosen)
    logger.info("using GPU %s of %s (in brackets the number of other jobs that use it)", claimed, ", ".join(cards))
    return chosen


def _lock(path: Path) -> TextIOWrapper | None:
    """Return the file at `path`, locked; None when another process has locked it."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
