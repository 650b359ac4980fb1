"""Where a job's words go: all of them to the rule's log, and bad input as one sentence."""

import logging
import os
import sys
from pathlib import Path
from types import TracebackType

from splatrig.errors import InputError


def log_to(path: str | Path) -> None:
    """Send this process's stdout, stderr (of C libraries too), logging and uncaught errors to the file `path`.

    An `InputError` ends the job with its sentence alone; any other exception keeps its traceback.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", closefd=False)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True
    )
    sys.excepthook = _report


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, InputError):
        logging.getLogger(__name__).error("error: %s", error)
    else:
        sys.__excepthook__(kind, error, trace)
