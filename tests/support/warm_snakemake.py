"""A process that has imported snakemake: each call is a fork of it, and saves a second of processor time.

A call does what `python -m snakemake` does with the same words, to the end of the interpreter. Nothing of splatrig is
imported before the fork, so that a copy of the project finds its own library.
"""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory

_IDLE: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
"""Processes that wait for a call, as many as were ever needed at a time; they end when this process does."""


def call_snakemake(
    words: Sequence[str], directory: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Call snakemake in a folder, with an environment of its own; threads may do so at the same time."""
    try:
        server = _IDLE.get_nowait()
    except Empty:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        server = subprocess.Popen([sys.executable, __file__], text=True, **pipes)
    with TemporaryDirectory() as folder:
        written = [Path(folder, name) for name in ("stdout", "stderr")]
        request = [list(words), str(directory), environment, *map(str, written)]
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        _IDLE.put(server)
        return subprocess.CompletedProcess(words, code, *(path.read_text(encoding="utf-8") for path in written))


def _serve() -> None:
    """Fork for each line of stdin, and answer with the exit code."""
    from snakemake.cli import get_argument_parser, main

    get_argument_parser()  # imports plug-ins
    gc.freeze()
    for line in sys.stdin:
        words, directory, environment, *written = json.loads(line)
        child = os.fork()
        if child == 0:
            for stream, path in enumerate([os.devnull, *written]):
                os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), stream)
            os.chdir(directory)
            os.environ.clear()
            os.environ.update(environment)
            sys.path[0] = directory
            sys.argv[1:] = words
            main(words)  # which ends this process
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
