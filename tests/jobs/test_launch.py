import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from splatrig.io.errors import InputError
from splatrig.jobs.launch import RankError, run_together
from support import two_processes

TESTS = Path(__file__).resolve().parents[1]
STARTER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs lack
from support import two_processes
from splatrig.jobs.launch import run_together
run_together(two_processes.stand_still, {"folder": sys.argv[1]}, ["", ""])
"""


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    for _ in range(int(seconds * 20)):
        if condition():
            return True
        time.sleep(0.05)
    return False


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Started:
    """Two processes that stand still, and the one that started them."""

    def __init__(self, folder: Path) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        command = [sys.executable, "-c", STARTER, str(folder)]
        environment = os.environ | {"TMPDIR": str(self.temporary)}
        self.starter = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=TESTS)
        paths = [folder / f"{rank}.pid" for rank in range(2)]
        assert wait_for(lambda: all(path.exists() and path.read_text() for path in paths))
        self.ranks = [int(path.read_text()) for path in paths]

    def end(self) -> str:
        """Return what the starter said in the end."""
        return self.starter.communicate(timeout=30)[1]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    processes = Started(tmp_path)
    yield processes
    processes.starter.kill()
    processes.end()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_neither_a_process_nor_a_file_outlives_the_one_that_started_it(started: Started, how: signal.Signals) -> None:
    assert all(is_alive(rank) for rank in started.ranks)
    started.starter.send_signal(how)
    assert wait_for(lambda: not any(is_alive(rank) for rank in started.ranks), 10)
    started.end()
    assert list(started.temporary.iterdir()) == []


def test_when_one_is_killed_the_others_end_and_it_is_named(started: Started) -> None:
    os.kill(started.ranks[1], signal.SIGKILL)
    said = started.end()
    assert "InputError: learned rig: process 2 of 2 (CPU) was ended by SIGKILL; where memory is short" in said
    assert started.starter.returncode == 1
    assert not any(is_alive(rank) for rank in started.ranks)


def test_the_sentence_of_the_one_that_failed_is_what_its_starter_raises() -> None:
    """Not that of the other, whose connection broke."""
    with pytest.raises(InputError, match=r"^the second has read nonsense\.$"):
        run_together(two_processes.fail_in_the_second, {}, ["", ""])


def test_an_error_without_a_sentence_comes_with_its_traceback() -> None:
    with pytest.raises(
        RankError, match=r"(?s)^process 1 of 2 \(CPU\) failed:\nTraceback.*ZeroDivisionError: never mind"
    ):
        run_together(two_processes.fail_without_a_sentence, {}, ["", ""])


def test_a_process_that_ends_without_a_word_is_named_with_its_status() -> None:
    with pytest.raises(InputError, match=r"^learned rig: process 2 of 2 \(CPU\) was ended with 3; where memory"):
        run_together(two_processes.leave, {}, ["", ""])


def test_processes_listen_to_their_own_machine_alone_and_see_the_gpu_of_their_place(tmp_path: Path) -> None:
    run_together(two_processes.look_around, {"folder": str(tmp_path)}, ["", ""])
    for number in range(2):
        seen = json.loads((tmp_path / f"{number}.json").read_text())
        assert seen["listening"] and set(seen["listening"]) == {"127.0.0.1"}
        assert seen["visible"] == ""
