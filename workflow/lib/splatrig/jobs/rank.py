"""One process of several that compute together, as `splatrig.jobs.launch` starts it: `-m splatrig.jobs.rank`."""

import importlib
import json
import logging
import os
import signal
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch.distributed

from splatrig.io.files import write_text
from splatrig.jobs.logs import log_as_starter, plain_words
from splatrig.jobs.parent_watchdog import die_with


@dataclass(frozen=True)
class Task:
    """What all processes do together."""

    target: str
    """`module:function`."""
    argument: dict[str, Any]
    places: list[str]
    """The GPU of each process, or "" for the CPU."""
    parent: int
    """The process that started them."""


@dataclass(frozen=True)
class Failure:
    """Why one of them gave up."""

    text: str
    plain: bool
    """True: a sentence for users. False: a traceback."""
    time: float
    """When, in seconds of the machine's monotonic clock."""


def write_task(folder: Path, task: Task) -> None:
    """Leave the task where the processes find it."""
    (folder / "task.json").write_text(json.dumps(asdict(task)), encoding="utf-8")


def leave_failure(folder: Path, number: int, error: BaseException) -> None:
    """Leave why process `number` gives up where its starter finds it."""
    words = plain_words(error)
    text = "".join(traceback.format_exception(error)) if words is None else words
    failure = Failure(text, words is not None, time.monotonic())
    write_text(_failure_path(folder, number), json.dumps(asdict(failure)))


def read_failure(folder: Path, number: int) -> Failure | None:
    """Return why process `number` gave up, or None where it did not say."""
    path = _failure_path(folder, number)
    return Failure(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def has_done_it(folder: Path, number: int) -> bool:
    """Return whether process `number` has done its share, and has only to end."""
    return (folder / f"done{number}").exists()


def _failure_path(folder: Path, number: int) -> Path:
    return folder / f"failure{number}.json"


def _compute(folder: Path, number: int, task: Task) -> None:
    """Meet the other processes and call the target."""
    backend = "nccl" if task.places[number] else "gloo"
    store, size = f"file://{folder}/store", len(task.places)
    torch.distributed.init_process_group(backend, init_method=store, rank=number, world_size=size)
    module, _, function = task.target.partition(":")
    getattr(importlib.import_module(module), function)(task.argument)
    (folder / f"done{number}").touch()
    torch.distributed.destroy_process_group()


def main() -> None:
    """Do this process's share of the task in the folder; on failure say there why, and end at once."""
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    task = Task(**json.loads((folder / "task.json").read_text(encoding="utf-8")))
    die_with(task.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the starter, which ends this process
    log_as_starter(logging.INFO if number == 0 else logging.WARNING)
    try:
        _compute(folder, number, task)
    except BaseException as error:
        leave_failure(folder, number, error)
        sys.stderr.flush()
        os._exit(1)  # threads and peers may never answer again


if __name__ == "__main__":
    main()
