"""Photograph and restructure one of the demo's people at any size: `python benchmarks/demo_capture.py FOLDER`.

FOLDER gets what the rules before the fits leave below `results/{subject}`: frames/, dataset/ and template/; its raw
capture is kept in FOLDER/raw. By default that is the whole head that free Gaussians are judged by: 24 cameras of
334×512, every segment of the demo. Segments are made at once on all cores. Landmarks and gaze are found by the
pipeline: a run of the demo, at any size and of the same person and frames, has them in results/demo/landmarks, and
`--landmarks` copies them to FOLDER.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from harness import Figures, checkout, cores, demo_head, machine, parsed, parser_of

from splatrig.capture.calibration import calibrated_cameras, choose_camera_names, raw_image_sizes
from splatrig.capture.demo.expressions import frame_list_text, load_expressions, peak_weights
from splatrig.capture.demo.synthesize import write_rig, write_segment
from splatrig.capture.krt import read_krt
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.restructure import RestructureOptions, restructure
from splatrig.config.models import Demo
from splatrig.dataset.cameras import Cameras, write_cameras
from splatrig.dataset.frames import write_frames
from splatrig.mesh.obj import read_obj
from splatrig.mesh.template import build_template, write_template

NEUTRAL = "E001_Neutral_Eyes_Open"
HELD_OUT = "every 6th"
"""Cameras that never train."""
SIZE = Demo(cameras=24, image_height=512, frames=3)


def photograph(demo: Demo, segments: Sequence[str], folder: Path, seed: int = 0, processes: int = 1) -> Path:
    """Write the raw capture of some of the demo's segments to `folder`; return it."""
    head = demo_head()
    folder.mkdir(parents=True, exist_ok=True)
    outputs = {"krt": "KRT", "tex_mean": "tex_mean.png", "rig": "rig.npz"}
    write_rig(head, demo, seed, 1000, {name: str(folder / file) for name, file in outputs.items()})
    (folder / "frame_list.txt").write_text(frame_list_text(segments, demo.frames), encoding="ascii")
    peaks = load_expressions(checkout() / "resources" / "expressions" / "demo.yaml")
    with pool(processes) as workers:
        list(workers.map(partial(photograph_segment, demo, peaks, folder, head, seed), segments))
    return folder


def photograph_segment(
    demo: Demo, peaks: Mapping[str, Mapping[str, float]], folder: Path, head: Path, seed: int, segment: str
) -> None:
    """Write one segment of a raw capture."""
    targets = {name: str(folder / name / segment) for name in ("images", "masks", "labels", "tracked_mesh")}
    write_segment(head, folder / "rig.npz", segment, dict(peak_weights(peaks, segment)), demo, seed, targets)


def restructure_all(
    raw: Path, segments: Sequence[str], folder: Path, subdivisions: int = 2, processes: int = 1
) -> None:
    """Write the data set, the tables of frames and the template of a raw capture to `folder`."""
    layout = CaptureLayout(raw)
    krt = read_krt(layout.krt)
    names = choose_camera_names(layout, NEUTRAL, "all", set(krt))
    cameras = calibrated_cameras(krt, raw_image_sizes(layout, NEUTRAL, names))
    with pool(processes) as workers:
        list(workers.map(partial(restructure_one, layout, cameras, folder, subdivisions), segments))
    write_cameras(folder / "dataset" / "cameras.json", cameras.split(HELD_OUT))
    neutral = next((folder / "dataset" / NEUTRAL).glob("*/*.obj"))
    mesh = read_obj(neutral)
    (folder / "template").mkdir(exist_ok=True)
    write_template(folder / "template" / "template.h5", build_template(mesh.vertices, mesh.faces, subdivisions))


def restructure_one(layout: CaptureLayout, cameras: Cameras, folder: Path, subdivisions: int, segment: str) -> None:
    """Restructure one segment."""
    options = RestructureOptions(
        neutral=NEUTRAL,
        frames_per_expression=1000,
        frame_selection="first",
        holes="refuse",
        image_scale=1.0,
        color="multiface_gamma",
        background="masks",
        subdivisions=subdivisions,
    )
    (folder / "dataset").mkdir(parents=True, exist_ok=True)
    rows = restructure(layout, segment, cameras, options, folder / "dataset" / segment)
    (folder / "frames").mkdir(exist_ok=True)
    write_frames(folder / "frames" / f"{segment}.csv", rows)


def pool(processes: int) -> ProcessPoolExecutor:
    """Return processes that share nothing with this one."""
    return ProcessPoolExecutor(processes, get_context("spawn"))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="is made; without it nothing is kept")
    parser.add_argument("--person", default="first", choices=["first", "second"])
    parser.add_argument("--cameras", type=int, default=SIZE.cameras)
    parser.add_argument("--height", type=int, default=SIZE.image_height, help="pixels; the width follows 1334:2048")
    parser.add_argument("--frames", type=int, default=SIZE.frames, help="of a segment")
    parser.add_argument("--subdivisions", type=int, default=2, help="of the tracked mesh")
    parser.add_argument("--segments", nargs="+", help="by default all")
    parser.add_argument("--landmarks", type=Path, help="folder with landmarks.csv and gaze.csv of this person")
    small = {"cameras": 4, "height": 48, "frames": 1, "subdivisions": 1, "segments": [NEUTRAL]}
    return parsed(parser, **small)


def main() -> None:
    """Photograph and restructure; print how long both took."""
    options = arguments()
    figures = Figures(options, machine("numpy", "embreex"))
    changed = {"person": options.person, "cameras": options.cameras, "image_height": options.height}
    demo = SIZE.model_copy(update=changed | {"frames": options.frames})
    segments = options.segments or list(load_expressions(checkout() / "resources" / "expressions" / "demo.yaml"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        (folder / "raw").mkdir(parents=True)
        if options.landmarks is not None:
            shutil.copytree(options.landmarks, folder / "landmarks")
        begin = time.perf_counter()
        raw = photograph(demo, segments, folder / "raw", processes=cores())
        photographed = time.perf_counter()
        restructure_all(raw, segments, folder, options.subdivisions, cores())
        figures.add("photographs", photographed - begin, "s")
        figures.add("restructuring", time.perf_counter() - photographed, "s")
    figures.save()


if __name__ == "__main__":
    main()
