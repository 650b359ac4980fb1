from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from splatrig.dataset.dataset import Frame
from splatrig.dataset.photographs import Photographs, pairs_in_memory
from splatrig.fitting.schedule import Schedule, stream
from splatrig.io.errors import InputError
from support import known_rig

CAMERAS = known_rig.cameras_around(3)


@pytest.fixture
def frames(tmp_path: Path) -> list[Frame]:
    generator = np.random.default_rng(0)
    views = []
    for row in range(4):
        folder = tmp_path / "E000" / f"{row:06d}"
        folder.mkdir(parents=True)
        for name in CAMERAS.names:
            pixels = generator.integers(0, 256, (known_rig.SIZE, known_rig.SIZE, 4), np.uint8)
            pixels[..., 3] = 0
            pixels[20:25, 21:26, 3] = 255
            Image.fromarray(pixels).save(folder / f"{name}.png")
        views.append(Frame("E000", f"{row:06d}", folder, CAMERAS))
    return views


def shown(steps: list) -> list:
    return [[(shot.frame, shot.view.camera) for shot in step] for step in steps]


def pairs(count: int = 4) -> list[tuple[int, int]]:
    return [(frame, camera) for frame in range(count) for camera in range(3)]


def test_a_view_is_the_photograph_cropped_to_the_silhouette_with_its_principal_point(frames: list) -> None:
    with Photographs(frames, workers=1) as photographs:
        view = photographs.view((1, 2))
    with Image.open(frames[1].folder / f"{CAMERAS.names[2]}.png") as image:
        pixels = np.asarray(image)
    assert np.array_equal(view.image.numpy(), pixels[4:41, 5:42])
    assert view.Ks[0, 0, 2] == pytest.approx(CAMERAS.Ks[2, 0, 2] - 5)
    assert view.Ks[0, 1, 2] == pytest.approx(CAMERAS.Ks[2, 1, 2] - 4)


def test_whole_pictures_keep_their_cameras(frames: list) -> None:
    with Photographs(frames, cropped=False, workers=1) as photographs:
        view = photographs.view((0, 0))
    assert (view.height, view.width) == (known_rig.SIZE, known_rig.SIZE)
    assert torch.allclose(view.Ks[0].double(), torch.as_tensor(CAMERAS.Ks[0]))


def test_a_plate_is_cropped_like_its_photograph(frames: list, tmp_path: Path) -> None:
    plates = tmp_path / "plates"
    plates.mkdir()
    stage = np.random.default_rng(1).integers(0, 256, (known_rig.SIZE, known_rig.SIZE, 3), np.uint8)
    Image.fromarray(stage).save(plates / f"{CAMERAS.names[1]}.png")
    with Photographs(frames, plates=plates, workers=1) as photographs:
        view = photographs.view((0, 1))
    assert view.plate is not None
    assert np.array_equal(view.plate.numpy(), stage[4:41, 5:42])


def test_the_stream_follows_the_schedule_and_resumes_anywhere(frames: list) -> None:
    schedule = Schedule(pairs(), 2, seed=0, window_pairs=2, passes=2)
    lanes = [[pair for window in islice(schedule.windows(lane), 8) for pair in window.steps] for lane in range(2)]
    expected = list(zip(*lanes, strict=True))[:16]
    with Photographs(frames, workers=2) as photographs:
        got = shown(list(islice(stream(photographs, schedule, range(2)), 16)))
    assert got == [[(frame, CAMERAS.names[camera]) for frame, camera in step] for step in expected]
    for first in (1, 5, 11):
        with Photographs(frames, workers=2) as photographs:
            resumed = stream(photographs, schedule, range(2), first)
            assert shown(list(islice(resumed, 4))) == got[first : first + 4]


def test_whoever_shares_the_lanes_the_steps_are_the_same(frames: list) -> None:
    schedule = Schedule(pairs(), 4, seed=0)
    with Photographs(frames, workers=2) as photographs:
        together = shown(list(islice(stream(photographs, schedule, range(4)), 9)))
        halves = [shown(list(islice(stream(photographs, schedule, own), 9))) for own in (range(2), range(2, 4))]
    assert together == [first + second for first, second in zip(*halves, strict=True)]


def test_no_more_than_two_windows_are_held(frames: list) -> None:
    schedule = Schedule(pairs(), 1, seed=0, window_pairs=3)
    with Photographs(frames, workers=2) as photographs:
        for _ in islice(stream(photographs, schedule, [0]), 30):
            assert len(photographs._held) <= 6


def test_what_fits_is_decoded_once(frames: list, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    original = Photographs._decode
    monkeypatch.setattr(Photographs, "_decode", lambda self, pair: decoded.append(pair) or original(self, pair))
    with Photographs(frames, workers=1) as photographs:
        list(islice(stream(photographs, Schedule(pairs(), 1, seed=0), [0]), 40))
    assert sorted(decoded) == sorted(pairs())


def test_processes_decode_what_threads_decode(frames: list) -> None:
    for cropped in (True, False):
        with (
            Photographs(frames, cropped=cropped, workers=2) as threads,
            Photographs(frames, cropped=cropped, workers=2, processes=True) as processes,
        ):
            processes.hold(pairs())
            for pair in pairs():
                assert torch.equal(processes.view(pair).image, threads.view(pair).image)
                assert torch.equal(processes.view(pair).Ks, threads.view(pair).Ks)


@pytest.mark.parametrize("processes", [False, True])
def test_an_unreadable_photograph_is_named(frames: list, processes: bool) -> None:
    broken = frames[2].folder / f"{CAMERAS.names[0]}.png"
    broken.write_bytes(b"no picture")
    with Photographs(frames, workers=1, processes=processes) as photographs:
        photographs.hold([(2, 0)])
        with pytest.raises(InputError, match=str(broken)):
            photographs.view((2, 0))


def test_memory_is_counted_in_whole_photographs() -> None:
    assert pairs_in_memory(CAMERAS, known_rig.SIZE**2 * 4 * 10 / 2**30) == 10
    assert pairs_in_memory(CAMERAS, 1e-12) == 1
