import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from splatrig.io.errors import InputError
from splatrig.jobs import device
from splatrig.jobs.device import choose_device, choose_places
from splatrig.jobs.device_kind import kind_of

_JOB = """
import os, sys
from pathlib import Path
from splatrig.jobs.device import claim_card
claim_card(Path(sys.argv[1]))
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""


class Job:
    """A process that has claimed one of the cards, until it is ended."""

    def __init__(self, folder: Path, cards: str) -> None:
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": cards}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([sys.executable, "-c", _JOB, str(folder)], env=environment, text=True, **pipes)
        self.card = self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def test_jobs_spread_over_the_cards_and_take_the_place_of_one_that_ended(tmp_path):
    jobs = [Job(tmp_path, "3,5") for _ in range(4)]
    assert sorted(job.card for job in jobs[:2]) == ["3", "5"]
    assert sorted(job.card for job in jobs[2:]) == ["3", "5"]
    gone = jobs.pop(0)
    gone.process.kill()
    gone.end()
    jobs.append(Job(tmp_path, "3,5"))
    assert jobs[-1].card == gone.card
    for job in jobs:
        job.end()


def test_a_job_that_sees_one_card_or_none_claims_nothing(tmp_path):
    for cards in ("GPU-7f", ""):
        job = Job(tmp_path / "claims", cards)
        assert job.card == cards
        job.end()
    assert not (tmp_path / "claims").exists()


def test_processes_that_compute_together_get_a_card_each(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(device, "_claims", claims := [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-5,7")
    first = choose_places("auto", 2)
    second = choose_places("cuda", 1)
    assert sorted(first + second) == ["2", "7", "GPU-5"]
    with pytest.raises(InputError, match=r"learned\.devices: got 4, but this job sees 3 GPUs \(2, GPU-5, 7\); lower"):
        choose_places("auto", 4)
    assert choose_places("cpu", 4) == ["", "", "", ""]
    for claim in claims:
        claim.close()


def test_without_a_gpu_processes_share_the_cpu_unless_gpus_were_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert choose_places("auto", 2) == ["", ""]
    with pytest.raises(InputError, match=r"sees 0 GPUs \(none\).*or set device: cpu\.$"):
        choose_places("cuda", 2)


def test_the_cpu_is_taken_when_asked_for_with_its_threads(monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda count: threads.append(count))
    threads: list[int] = []
    assert choose_device("cpu", 3).type == "cpu"
    assert threads == [3]


def test_a_gpu_that_is_not_there_is_said_in_a_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(InputError, match=r"^device: got cuda, but .* shows this job no GPU .* device: auto or cpu\.$"):
        choose_device("cuda", 1)


def test_auto_alone_asks_whether_there_is_a_gpu():
    assert (kind_of("auto", lambda: True), kind_of("auto", lambda: False)) == ("cuda", "cpu")
    assert [kind_of(name, pytest.fail) for name in ("cuda", "cpu")] == ["cuda", "cpu"]


def test_rules_and_the_cache_decide_without_torch():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, splatrig.jobs.cache, splatrig.jobs.device_kind; print('torch' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
