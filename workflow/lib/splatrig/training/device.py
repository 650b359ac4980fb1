"""Where a job computes: on the CPU, or on the GPU that the fewest other jobs use."""

import fcntl
import logging
import os
import tempfile
from contextlib import ExitStack
from io import TextIOWrapper
from pathlib import Path

import torch

_LOG = logging.getLogger(__name__)

SLOTS = 32
"""Jobs of one user on one card that are told apart; more than that are not counted."""

_claims: list[TextIOWrapper] = []
"""Locks that this process holds until it ends."""


def choose_device(device: str, threads: int) -> torch.device:
    """Return the device of `auto`, `cuda` or `cpu`; on the CPU torch uses `threads` threads.

    Of several cards the process sees only the one that it gets (`claim_card`), so call this before it uses CUDA.
    """
    if device != "cpu":
        claim_card()
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        torch.set_num_threads(threads)
    return torch.device(device)


def claim_card(folder: Path | None = None) -> None:
    """Hide all cards but the one that the fewest of this user's jobs have claimed; one card is shared by all.

    A claim is a lock on a file in `folder` (default: in the machine's temporary folder), so the kernel lifts it when
    the job ends, however it ends. A scheduler that shows each job a card of its own leaves nothing to choose.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    cards = [str(card) for card in range(torch.cuda.device_count())] if visible is None else visible.split(",")
    if len(cards) < 2:
        return
    folder = folder or Path(tempfile.gettempdir()) / f"splatrig-cards-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "mutex").open("w") as mutex, ExitStack() as unused:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        free = {card: [lock for slot in range(SLOTS) if (lock := _lock(folder / f"{card}.{slot}"))] for card in cards}
        for locks in free.values():
            for lock in locks:
                unused.enter_context(lock)
        card = max(cards, key=lambda name: len(free[name]))
        if free[card]:
            number = free[card][0].fileno()
            _claims.append(os.fdopen(os.dup(number), "w"))  # the copy keeps the lock when the original is closed
    os.environ["CUDA_VISIBLE_DEVICES"] = card
    _LOG.info("takes card %s of %s, which %d other jobs have claimed", card, ", ".join(cards), SLOTS - len(free[card]))


def _lock(path: Path) -> TextIOWrapper | None:
    """Return the file at `path`, locked; None when another process has locked it."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
