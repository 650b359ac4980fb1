"""One of the demo's people, photographed and restructured at any size, as the rules before the fits leave them."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

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
from support.harness import checkout, demo_head

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


def raw_capture(person: str, segments: Sequence[str], folder: Path) -> Path:
    """Write the raw capture of one of the demo's people as the demo has it; return it."""
    return photograph(Demo.model_validate({"person": person}), segments, folder, seed=0 if person == "first" else 1)


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
