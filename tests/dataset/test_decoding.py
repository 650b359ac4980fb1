import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from splatrig.dataset.decoding import NICENESS, DecodingProcesses, read_photograph, silhouette_box
from splatrig.io.errors import InputError
from support import tiny

FRAMES = ("000100", "000103")
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    dataset = tiny.write_dataset(tmp_path, dict(zip(FRAMES, (0.0, 1.0), strict=True)))
    return [dataset.folder / "E001_Tiny" / frame for frame in FRAMES]


def _processes(per_frame: Callable[[int], object] | None = None) -> DecodingProcesses:
    rig = tiny.cameras()
    return DecodingProcesses((rig.width, rig.height), 2, per_frame)


@linux
def test_processes_decode_what_this_process_decodes(folders):
    rig = tiny.cameras()
    with closing(_processes()) as processes:
        for path in [folder / f"{name}.png" for folder in folders for name in rig.names]:
            expected = read_photograph(path, rig.width, rig.height)
            with processes.decoded(path) as (pixels, crop):
                np.testing.assert_array_equal(pixels, expected)
                assert crop == silhouette_box(expected[..., 3])


@linux
def test_a_process_names_the_photograph_that_is_missing_and_goes_on(folders):
    (folders[0] / "400002.png").unlink()
    with closing(_processes()) as processes:
        for _ in range(3):  # more often than there are places
            with (
                pytest.raises(InputError, match=r"000100/400002\.png: the photograph is missing"),
                processes.decoded(folders[0] / "400002.png"),
            ):
                pass
        with processes.decoded(folders[1] / "400002.png") as (pixels, _):
            assert pixels.any()


@linux
def test_processes_leave_the_cores_to_the_fit():
    def priority(_: int) -> int:
        return os.getpriority(os.PRIO_PROCESS, 0)

    with closing(_processes(priority)) as processes:
        assert processes.compute(0).result() == min(19, priority(0) + NICENESS)


@linux
def test_decoding_processes_die_with_a_killed_job():
    program = """
import multiprocessing, time
from splatrig.dataset.decoding import DecodingProcesses
processes = DecodingProcesses((8, 8), 2)
print(*(process.pid for process in multiprocessing.active_children()), flush=True)
time.sleep(60)
"""
    job = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    children = [int(number) for number in job.stdout.readline().split()]
    assert len(children) == 2
    job.kill()
    job.stdout.close()
    job.wait()
    until = time.monotonic() + 10
    while any(_alive(child) for child in children) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(_alive(child) for child in children)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
