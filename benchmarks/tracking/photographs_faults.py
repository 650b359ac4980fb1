"""Track what goes wrong in a studio: `python benchmarks/tracking/photographs_faults.py --person second`.

Three segments of one of the demo's people are photographed, and again under another light and with the head turned; the
rest is done to copies: exposures, a camera that is late, one that is calibrated 5 pixels off, four cameras alone. Each
is tracked on its photographs and compared with its own true poses and meshes. `--only` names cases, `--capture` a raw
capture of the demo that is there.
"""

import argparse
import dataclasses
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from photographs import measure_folders
from PIL import Image
from scipy.spatial.transform import Rotation

from splatrig.capture.color import correction_table
from splatrig.capture.demo import lighting, synthesize
from splatrig.capture.demo.expressions import load_expressions, truth_rows
from splatrig.capture.krt import read_krt, write_krt
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.lenses import Lenses
from splatrig.config.models import Demo
from splatrig.config.names import held_out_cameras
from splatrig.dataset.cameras import Cameras
from splatrig.dataset.pose import read_pose, to_head
from splatrig.landmarks.iris import IrisFinder
from splatrig.landmarks.network import FaceFinder
from splatrig.tracking.export import merge_tables, write_quality, write_tracked_meshes, write_weights
from splatrig.tracking.faces import find_faces
from splatrig.tracking.job import raw_cameras
from splatrig.tracking.neutral import find_neutral
from splatrig.tracking.segment import SegmentTracker
from splatrig.tracking.shots import Shots
from splatrig.tracking.template_head import read_template_head
from support.demo_people import NEUTRAL, photograph, photograph_segment
from support.face_networks import IRIS
from support.harness import Figures, checkout, cores, demo_head, face_finder, machine, parsed, parser_of

SEGMENTS = (NEUTRAL, "E006_Jaw_Drop_Brows_Up", "E008_Smile_Mouth_Closed")
SEED = 1
TURNED_DEG = {"turned by up to 10°": 10.0, "turned by up to 30°": 30.0}
EXPOSURE = 0.05
OFF_PX = (4.0, -3.0)
FRONT_DEG = ((0.0, 0.0), (-32.0, 5.0), (32.0, 5.0), (-10.0, 36.0))
"""Azimuth and elevation around the face of the four cameras."""
SIDE_LAMP = (60.0, 25.0, 1.6)
"""Azimuth and elevation in degrees and factor of the main lamp; all others give 0.15 of their light."""


@dataclass(frozen=True)
class Stage:
    """A raw capture of the demo, and the way to photograph more of it."""

    root: Path
    demo: Demo
    peaks: Mapping[str, Mapping[str, float]]
    segments: tuple[str, ...]

    def render(self, target: Path, segments: Sequence[str]) -> None:
        """Photograph segments into `target`, which has a rig, with what is patched."""
        for segment in segments:
            photograph_segment(self.demo, self.peaks, target, demo_head(), SEED, segment)

    def copy(self, target: Path, segments: Sequence[str]) -> None:
        """Make a capture in `target` with the calibration, the rig and some segments."""
        target.mkdir(parents=True)
        shutil.copy(self.root / "KRT", target / "KRT")
        shutil.copy(next(self.root.glob("*rig.npz")), target / "rig.npz")
        for kind in ("images", "tracked_mesh"):
            (target / kind).mkdir()
            for segment in segments:
                shutil.copytree(self.root / kind / segment, target / kind / segment)

    def front(self) -> tuple[str, ...]:
        """Return four cameras in front of the face: middle, right, left, higher."""
        pose = read_pose(next((self.root / "tracked_mesh" / NEUTRAL).glob("*_transform.txt")))
        krt = read_krt(self.root / "KRT")
        centers = np.array([-own.extrinsics[:, :3].T @ own.extrinsics[:, 3] for own in krt.values()])
        towards, names = to_head(centers, pose), list(krt)
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        chosen: list[str] = []
        for azimuth, elevation in np.radians(FRONT_DEG):
            wanted = [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)]
            order = np.argsort(-(towards @ wanted))
            chosen.append(next(names[row] for row in order if names[row] not in chosen))
        return tuple(chosen)


def as_it_is(stage: Stage, target: Path) -> None:
    """Change nothing."""
    stage.copy(target, stage.segments)


def other_light(stage: Stage, target: Path) -> None:
    """Light the head from one side alone, in all segments."""
    stage.copy(target, [])
    with _side_lamp():
        stage.render(target, stage.segments)


def light_changed(stage: Stage, target: Path) -> None:
    """Light the neutral as usual, and the head from one side in the other segments."""
    stage.copy(target, [NEUTRAL])
    with _side_lamp():
        stage.render(target, [segment for segment in stage.segments if segment != NEUTRAL])


def _side_lamp() -> "mock._patch[tuple[lighting.Lamp, ...]]":
    azimuth, elevation, factor = SIDE_LAMP
    key, *others = lighting.LAMPS
    side = dataclasses.replace(
        key, azimuth=azimuth, elevation=elevation, color=tuple(factor * value for value in key.color)
    )
    faint = [dataclasses.replace(lamp, color=tuple(0.15 * value for value in lamp.color)) for lamp in others]
    return mock.patch.object(lighting, "LAMPS", (side, *faint))


def turned(degrees: float) -> Callable[[Stage, Path], None]:
    """Turn the head more and more, up to so many degrees, in all segments but the neutral's."""

    def spoil(stage: Stage, target: Path) -> None:
        usual = synthesize.head_poses

        def poses(segment: str, count: int, seed: int) -> NDArray[np.float64]:
            found = usual(segment, count, seed)
            axis = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.7, 0.7], [0.0, -1.0, 0.0]])[len(segment) % 4]
            for number in range(count):
                angle = np.radians(degrees) * (number + 1) / count
                found[number, :, :3] @= Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()
            return found

        stage.copy(target, [NEUTRAL])
        with mock.patch.object(synthesize, "head_poses", poses):
            stage.render(target, [segment for segment in stage.segments if segment != NEUTRAL])

    return spoil


def exposures(stage: Stage, target: Path) -> None:
    """Expose every photograph by up to 5 % more or less."""
    stage.copy(target, stage.segments)
    generator = np.random.default_rng(0)
    for path in sorted(target.glob("images/*/*/*.png")):
        with Image.open(path) as image:
            values = np.asarray(image).astype(float) * generator.uniform(1.0 - EXPOSURE, 1.0 + EXPOSURE)
        Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).save(path)


def off_by_pixels(stage: Stage, target: Path) -> None:
    """Calibrate one camera 5 pixels off."""
    stage.copy(target, stage.segments)
    cameras = []
    for camera in read_krt(target / "KRT").values():
        K = camera.K.copy()
        if camera.name == stage.front()[1]:
            K[:2, 2] += OFF_PX
        cameras.append(dataclasses.replace(camera, K=K))
    write_krt(target / "KRT", cameras)


def late(stage: Stage, target: Path) -> None:
    """Let one camera show the frame before, in all frames but the first of each segment."""
    stage.copy(target, stage.segments)
    for folder in target.glob(f"images/*/{stage.front()[2]}"):
        frames = sorted(folder.iterdir())
        for before, path in reversed(list(pairwise(frames))):
            shutil.copy(before, path)


CASES: Mapping[str, Callable[[Stage, Path], None]] = {
    "as it is": as_it_is,
    "light from the side": other_light,
    "light changed after the neutral": light_changed,
    **{name: turned(degrees) for name, degrees in TURNED_DEG.items()},
    "exposure ±5 %": exposures,
    "a camera 5 pixels off": off_by_pixels,
    "a camera late by a frame": late,
    "four cameras": as_it_is,
}


def track_capture(
    root: Path, cameras: Sequence[str], segments: Sequence[str], finder: FaceFinder, target: Path
) -> Counter[str]:
    """Track a raw capture by its photographs and write what a run does; return how often each camera was named.

    `target` gets `capture/tracked_mesh` and `tracking/*.csv`. A camera that disagrees about the neutral counts for all
    frames.
    """
    layout, krt, table = CaptureLayout(root), read_krt(root / "KRT"), correction_table("multiface_gamma")
    train: Cameras = raw_cameras(layout, NEUTRAL, krt, cameras)
    lenses = Lenses(krt, train)
    template, model = read_template_head(demo_head(), checkout() / "resources" / "landmarks" / "canonical.csv")
    faces = {name: find_faces(layout, name, train, finder, IrisFinder(IRIS), table, lenses) for name in segments}
    shots = {
        name: Shots(layout, name, own.frames, train, (train.width, train.height), 1.0, table, lenses)
        for name, own in faces.items()
    }
    neutral = find_neutral(template, model, shots[NEUTRAL], faces[NEUTRAL], 1000)
    tracker, named = SegmentTracker(neutral, shots[NEUTRAL], template.landmarks), Counter[str]()
    (target / "tracking").mkdir(parents=True)
    tables: dict[str, list[Path]] = {"frames": [], "weights": []}
    for name in segments:
        found = list(tracker.track(shots[name], faces[name]))
        for shot in found:
            named.update({*shot.disagreeing, *neutral.wrong})
        write_tracked_meshes(target / "capture" / "tracked_mesh" / name, name, neutral, found)
        for kind, paths in tables.items():
            paths.append(target / "tracking" / f"{name}_{kind}.csv")
        write_quality(tables["frames"][-1], name, found)
        write_weights(tables["weights"][-1], name, neutral.head.names, found)
    for kind, paths in tables.items():
        merge_tables(target / "tracking" / f"{kind}.csv", paths)
    return named


def main() -> None:
    """Photograph, spoil, track, and print how good it is."""
    parser: argparse.ArgumentParser = parser_of(__doc__)
    parser.add_argument("--person", default="first", choices=["first", "second"])
    parser.add_argument("--capture", type=Path, help="raw capture of that person, of seed 1 and the demo's size")
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES), metavar="CASE")
    parser.add_argument("--segments", nargs="+", default=list(SEGMENTS), help="the neutral's first")
    parser.add_argument("--height", type=int, default=Demo().image_height, help="pixels; the width follows 1334:2048")
    parser.add_argument("--cameras", type=int, default=Demo().cameras)
    parser.add_argument("--frames", type=int, default=Demo().frames, help="of a segment")
    options = parsed(parser, only=["exposure ±5 %"], segments=list(SEGMENTS[:2]), height=128, cameras=8, frames=2)
    figures = Figures(options, machine("numpy", "scipy"))
    demo = Demo(person=options.person, image_height=options.height, cameras=options.cameras, frames=options.frames)
    peaks = load_expressions(checkout() / "resources" / "expressions" / "demo.yaml")
    finder, segments = face_finder(), tuple(options.segments)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        root = options.capture or photograph(demo, segments, work / "raw", SEED, cores())
        stage = Stage(root, demo, peaks, segments)
        names = sorted(read_krt(root / "KRT"))
        train = [name for name in names if name not in held_out_cameras("every 8th", names)]
        for case in options.only:
            capture, found = work / case / "true", work / case / "found"
            CASES[case](stage, capture)
            truth = truth_rows(peaks, segments, demo.frames)
            pd.DataFrame(truth, columns=["expression", "frame", "unit", "weight"]).to_csv(
                capture / "truth.csv", index=False
            )
            start = time.process_time()
            used = stage.front() if case == "four cameras" else train
            named = track_capture(capture, used, segments, finder, found)
            spent = time.process_time() - start
            measure_folders(figures, found / "capture", capture, f"{case}: ")
            figures.add(f"{case}: processor time", spent, "s")
            for name, count in named.items():
                figures.add(f"{case}: camera {name} named", count, "frames")
            shutil.rmtree(work / case)
    figures.save()


if __name__ == "__main__":
    main()
