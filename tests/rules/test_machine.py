from pathlib import Path

import pytest

from splatrig.config.load import load_config
from splatrig.io.errors import InputError
from splatrig.rules.machine import Machine, memory

PRESETS = Path(__file__).resolve().parents[2] / "workflow" / "presets"


def machine(limits, preset="local", **changed) -> Machine:
    raw = {"preset": preset, "neutral": "Neutral", "capture": {"root": "mine"}} | changed
    return Machine(load_config(raw, PRESETS), limits)


def test_a_retried_job_gets_as_much_memory_again():
    assert [memory(500)(None, attempt) for attempt in (1, 2, 3)] == [500, 1000, 1500]


@pytest.mark.parametrize(("device", "count"), [("cpu", 0), ("cuda", 2)])
def test_only_runs_on_a_gpu_ask_for_one(device, count):
    assert machine({}, device=device).gpu(2) == count


@pytest.mark.parametrize(
    ("limits", "threads"),
    [
        ({"_cores": None, "gpu": 1}, 8),
        ({"_cores": 8}, 8),
        ({"_cores": 12, "gpu": 3}, 4),
        ({"_cores": 2, "gpu": 3}, 2),
        ({"_cores": 64, "gpu": 1}, 16),
    ],
)
def test_fits_on_a_gpu_share_the_cores(limits, threads):
    assert machine(limits, device="cuda").fit_threads(1) == threads
    assert machine(limits, device="cpu").fit_threads(1) == 1


def test_small_jobs_of_the_demo_run_side_by_side():
    assert machine({}, preset="demo", capture={}).threads_of_large(4) == 1
    assert machine({}).threads_of_large(4) == 4


def test_a_rig_of_more_gpus_than_there_are_is_refused():
    many = {"device": "cuda", "learned": {"devices": 4}}
    with pytest.raises(InputError, match=r"learned.devices: got 4, but .* 3 GPUs .* --resources gpu=4"):
        machine({"gpu": 3}, **many).check_gpus()
    machine({"gpu": 4}, **many).check_gpus()
    machine({}, **many).check_gpus()
