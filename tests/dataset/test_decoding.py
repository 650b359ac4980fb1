import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fitting import tiny
from splatrig.dataset.decoding import NICENESS, Decoders
from splatrig.io.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
FRAMES = ("000100", "000103")
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    source = tiny.write_dataset(tmp_path, dict(zip(FRAMES, (0.0, 1.0), strict=True)))
    return [source.dataset / "E001_Tiny" / frame for frame in FRAMES]


def _decoders(workers: int, *, processes: bool) -> Decoders:
    rig = tiny.cameras()
    return Decoders(rig.names, (rig.width, rig.height), lambda folder: folder.name, workers, processes=processes)


@linux
def test_processes_decode_what_threads_decode(folders):
    with _decoders(2, processes=False) as threads, _decoders(2, processes=True) as processes:
        for folder in [*folders, folders[0]]:
            expected, read = threads.read(folder), processes.read(folder)
            np.testing.assert_array_equal(read.images, expected.images)
            np.testing.assert_array_equal(read.crops, expected.crops)
            assert read.beside == expected.beside == folder.name


@linux
def test_a_process_names_the_photograph_that_is_missing_and_goes_on(folders):
    (folders[0] / "400002.png").unlink()
    with _decoders(2, processes=True) as processes:
        with pytest.raises(InputError, match=r"000100/400002\.png: the photograph is missing"):
            processes.read(folders[0])
        assert processes.read(folders[1]).images.any()


@linux
def test_processes_leave_the_cores_to_the_fit(folders):
    def priority(_: Path) -> int:
        return os.getpriority(os.PRIO_PROCESS, 0)

    rig = tiny.cameras()
    with Decoders(rig.names, (rig.width, rig.height), priority, 1, processes=True) as processes:
        assert processes.read(folders[0]).beside == min(19, priority(folders[0]) + NICENESS)


@linux
def test_decoding_processes_die_with_a_killed_job():
    program = """
import multiprocessing, time
from splatrig.dataset.decoding import NICENESS, Decoders
decoders = Decoders(["400001"], (8, 8), str, 2, processes=True)
print(*(process.pid for process in multiprocessing.active_children()), flush=True)
time.sleep(60)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow" / "lib")}
    job = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
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
