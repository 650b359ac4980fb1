"""Logs of jobs: all output goes to the rule's log, and bad input becomes one sentence."""

import atexit
import logging
import os
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType

from splatrig.io.errors import REMEDIES, InputError, refusal
from splatrig.jobs.parent_watchdog import end_with_workflow
from splatrig.jobs.software import here

_WARNING = re.compile(r"^[\d:]{8} warning: (.+)$", re.MULTILINE)

_FAILED_LOG = re.compile(r"^ +log: (.+) \(check log file\(s\) for error details\)$", re.MULTILINE)


def log_to(path: str | Path) -> None:
    """Redirect stdout, stderr (of C libraries too), logging and uncaught errors of this process to the file `path`.

    An `InputError` ends the job with its sentence alone, as do a full disk and similar errors; any other exception
    keeps its traceback. The first lines name the machine, the versions and the inputs; the last ones the outputs, the
    time and the memory used. The job also ends when the workflow that started it does.

    Args:
        path: The log file of the rule.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", closefd=False)
    log_as_starter(logging.INFO)
    sys.excepthook = _report
    log = logging.getLogger(__name__)
    log.info("%s %s", time.strftime("%Y-%m-%d"), here())
    job = getattr(sys.modules["__main__"], "snakemake", None)  # absent outside of a script of Snakemake
    if job is not None:
        wildcards = ", ".join(f"{name} {value}" for name, value in job.wildcards.items())
        which = f"{job.rule} ({wildcards})" if wildcards else job.rule
        log.info("rule %s, threads %d, reads %s", which, job.threads, _sizes(job.input))
    atexit.register(_farewell, log, time.monotonic(), [] if job is None else list(job.output))
    end_with_workflow()


def log_as_starter(level: int) -> None:
    """Log messages at `level` or above to stderr, which a process inherits from the job that started it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(datefmt="%H:%M:%S"))
    logging.basicConfig(handlers=[handler], level=level, force=True)


class _Lines(logging.Formatter):
    """Formatter with time and message that marks splatrig's warnings, so that `worth_a_look` finds them."""

    def usesTime(self) -> bool:  # noqa: N802  the name that logging asks for
        return True

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the same
        warns = record.levelno == logging.WARNING and record.name.startswith("splatrig")
        return f"{record.asctime} {'warning: ' if warns else ''}{record.message}"


def worth_a_look(logs: Iterable[str | Path], since: float, most: int = 20) -> str:
    """Return the warnings in those of the jobs' logs that were written after `since` (seconds of the epoch), or "".

    Warnings do not stop a job and are easily missed in its log, so they are repeated at the end of a run.
    """
    found = []
    for path in map(Path, logs):
        if path.is_file() and path.stat().st_mtime >= since:
            found += [f"    {path}: {words}" for words in _WARNING.findall(path.read_text("utf-8", errors="replace"))]
    more = [f"    and {len(found) - most} more"] if len(found) > most else []
    return "\n".join(["Worth a look:", *found[:most], *more]) if found else ""


def _sizes(paths: Iterable[str], most: int = 6) -> str:
    """Return paths with the sizes of those that are files, at most the first `most`."""
    named = []
    for path in paths:
        place = Path(path)
        size = f" ({place.stat().st_size:,} bytes)" if place.is_file() else "" if place.exists() else " (not there)"
        named.append(f"{path}{size}")
    more = f" and {len(named) - most} more" if len(named) > most else ""
    return ", ".join(named[:most]) + more if named else "nothing"


def _farewell(log: logging.Logger, start: float, outputs: Sequence[str]) -> None:
    """Log the outputs of the job, its time and its memory, including finished child processes."""
    if outputs:
        log.info("outputs: %s", _sizes(outputs))
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, elsewhere KiB
    seconds, memory = time.monotonic() - start, max(usage.ru_maxrss for usage in usages) * unit / 2**20
    log.info("ended after %.1f s, %.1f s of processor time, at most %.0f MiB of memory", seconds, processor, memory)


def last_words(workflow_logs: Sequence[str | Path], lines: int = 12, place: Callable[[str], str | Path] = Path) -> str:
    """Return the last lines of the logs of all failed jobs, each with its name, given Snakemake's own logs.

    `place` returns the path of a log, given the name that it has there.
    """
    named = [path for log in workflow_logs for path in _FAILED_LOG.findall(Path(log).read_text(encoding="utf-8"))]
    blocks = []
    for path in dict.fromkeys(name for group in named for name in group.split(", ")):
        try:
            said = Path(place(path)).read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
        except OSError as error:
            said = [f"(cannot be read: {error.strerror})"]
        kept = [line for line in said if line.strip()][-lines:]
        blocks.append("\n".join([f"Logfile {path} ends:", *(f"    {line}" for line in kept or ["(empty)"])]))
    return "\n\n".join(blocks)


def plain_words(error: BaseException) -> str | None:
    """Return the sentence that tells a user what to do about an error, or None if only a traceback helps."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; run the same command again to continue."
    if isinstance(error, OSError) and error.errno in REMEDIES:
        return refusal(error.filename or " ".join(getattr(error, "__notes__", [])) or "somewhere", error.errno)
    return None


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    words = plain_words(error)
    if words is None:
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger(__name__).error("error: %s", words)
