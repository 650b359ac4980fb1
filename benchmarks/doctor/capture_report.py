"""The doctor of captures: time, false alarms and faults that are named: `python benchmarks/doctor/capture_report.py`.

One of the demo's people is photographed and restructured, or the data set in a folder is taken. Measured are the
seconds of a report, what is said of the capture as it is and with 0.5 mm of noise on every tracked vertex, and how many
faults are named: of each kind some, in cameras and frames drawn at random. A second capture, of 38 cameras and meshes
of 5,478 vertices (support/painted_head.py), tells the time per photograph, from which that of 330 frames follows. It is
photographed at the size to which the doctor reduces; what reducing 1334×2048 pixels costs is measured apart.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from splatrig.capture.demo.expressions import load_expressions
from splatrig.config.models import Demo
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.decoding import read_photograph
from splatrig.dataset.frames import read_chosen_frames
from splatrig.dataset.pose import read_pose
from splatrig.dataset.reduced import Tracked, reduced, reduced_cameras, write_reduced
from splatrig.doctor.stage import report
from splatrig.doctor.subject import open_subject
from splatrig.doctor.verdicts import WRONG, Verdict
from splatrig.io.files import write_text
from splatrig.mesh.obj import read_obj
from support.demo_people import photograph, restructure_all
from support.doctored import Doctored
from support.harness import Figures, checkout, cores, machine, parsed, parser_of
from support.painted_head import FULL, SMALL, write_capture

NOISE_MM = 0.5
WHOLE = (330, 38)
"""Frames and cameras of an entity of Multiface."""
SEED = 0
REDUCED = replace(FULL, width=167, height=256, expressions=3)
"""Seven frames of 38 cameras."""


@dataclass(frozen=True)
class Draw:
    """What a fault is about: a camera, a frame, the one after it in the segment, and one of another segment."""

    camera: int
    frame: int
    neighbor: int
    stranger: int


def frozen(capture: Doctored, draw: Draw) -> Doctored:
    """Let a camera show one photograph in all frames."""
    for frame in range(len(capture.frames)):
        capture = capture.with_photograph(frame, draw.camera, draw.frame, copied=True)
    return capture


def frozen_once(capture: Doctored, draw: Draw) -> Doctored:
    """Let a camera show one photograph twice."""
    return capture.with_photograph(draw.frame, draw.camera, draw.neighbor, copied=True)


def late(capture: Doctored, draw: Draw) -> Doctored:
    """Let a camera show in every frame what was there a frame before."""
    names = capture.subject.names
    for frame in range(1, len(capture.frames)):
        if names[frame].rpartition("/")[0] == names[frame - 1].rpartition("/")[0]:
            capture = capture.with_photograph(frame, draw.camera, frame - 1)
    return capture


def neighboring_moment(capture: Doctored, draw: Draw) -> Doctored:
    """Take one photograph from the frame before or after."""
    return capture.with_photograph(draw.frame, draw.camera, draw.neighbor)


def another_moment(capture: Doctored, draw: Draw) -> Doctored:
    """Take one photograph from another segment."""
    return capture.with_photograph(draw.frame, draw.camera, draw.stranger)


def another_mesh(capture: Doctored, draw: Draw) -> Doctored:
    """Give a frame the mesh and pose of another one."""
    return capture.with_mesh(draw.frame, capture.subject.tracked[draw.stranger])


def another_size(capture: Doctored, _: Draw) -> Doctored:
    """Give all cameras the calibration of photographs twice as large."""
    return capture.with_intrinsics(np.diag([2.0, 2.0, 1.0]) @ capture.subject.cameras.Ks)


def another_size_once(capture: Doctored, draw: Draw) -> Doctored:
    """Give one camera that calibration."""
    Ks = capture.subject.cameras.Ks.copy()
    Ks[draw.camera] = np.diag([2.0, 2.0, 1.0]) @ Ks[draw.camera]
    return capture.with_intrinsics(Ks)


def _camera(verdict: Verdict, draw: Draw) -> bool:
    return verdict.camera == draw.camera


def _frame(verdict: Verdict, draw: Draw) -> bool:
    return verdict.frame == draw.frame and verdict.camera in (None, draw.camera)


def _all(verdict: Verdict, _: Draw) -> bool:
    return verdict.where == "KRT"


FAULTS: dict[str, tuple[Callable[[Doctored, Draw], Doctored], Callable[[Verdict, Draw], bool]]] = {
    "a frozen camera": (frozen, _camera),
    "a photograph twice": (frozen_once, _camera),
    "a camera late by a frame": (late, _camera),
    "a photograph of the next frame": (neighboring_moment, _frame),
    "a photograph of another segment": (another_moment, _frame),
    "a mesh of another frame": (another_mesh, _frame),
    "a calibration of another size": (another_size, _all),
    "that of one camera": (another_size_once, _camera),
}
"""By name what spoils a capture, and whether a verdict is about that."""


def draws(capture: Doctored, count: int) -> list[Draw]:
    """Return cameras and frames at random."""
    generator = np.random.default_rng(SEED)
    segments = [name.rpartition("/")[0] for name in capture.subject.names]
    result = []
    while len(result) < count:
        camera, frame = int(generator.integers(len(capture.subject.cameras))), int(generator.integers(len(segments)))
        beside = [
            row for row in (frame - 1, frame + 1) if 0 <= row < len(segments) and segments[row] == segments[frame]
        ]
        strangers = [row for row, segment in enumerate(segments) if segment != segments[frame]]
        result.append(Draw(camera, frame, int(generator.choice(beside)), int(generator.choice(strangers))))
    return result


def frame_names(folder: Path) -> list[str]:
    """Return `expression/frame` of all frames of a data set, the neutral first."""
    tables = [read_chosen_frames(path) for path in sorted((folder / "frames").glob("*.csv"))]
    names = [f"{row.expression}/{row.frame}" for table in tables for row in table.itertuples()]
    neutral = [f"{row.expression}/{row.frame}" for table in tables for row in table[table["neutral"]].itertuples()]
    return sorted(names, key=lambda name: (name not in neutral, name))


def reduce_all(folder: Path, names: list[str]) -> None:
    """Write the reduced photographs of a data set that has none."""
    dataset = Dataset.open(folder / "dataset" / "cameras.json")
    small = reduced_cameras(dataset.cameras)
    for name in names:
        frame = dataset.frame(name)
        mesh = read_obj(frame.folder / f"{frame.frame}.obj").vertices
        own = Tracked(frame.frame, mesh, read_pose(frame.folder / f"{frame.frame}_transform.txt"))
        photographs = {}
        for camera in range(len(frame.cameras)):
            pixels = read_photograph(frame.photograph(camera), frame.cameras.width, frame.cameras.height)
            photographs[camera] = reduced(pixels[..., :3], pixels[..., 3], (small.width, small.height))
        meshes = dict.fromkeys((-1, 0, 1), own)
        write_reduced(frame.folder, (small.width, small.height), photographs, len(frame.cameras), meshes)


def milliseconds_of_reducing(repeats: int) -> float:
    """Return what reducing a photograph of 1334×2048 pixels costs on one thread."""
    generator = np.random.default_rng(SEED)
    rgb = generator.integers(0, 256, (FULL.height, FULL.width, 3), dtype=np.uint8)
    matte = generator.integers(0, 256, (FULL.height, FULL.width), dtype=np.uint8)
    begin = time.process_time()
    for _ in range(repeats):
        reduced(rgb, matte, (REDUCED.width, REDUCED.height))
    return 1e3 * (time.process_time() - begin) / repeats


def seconds_of_report(folder: Path, names: list[str], work: Path) -> float:
    """Return how long a report takes, its page included."""
    write_text(work / "check.json", '{"odd": [], "wrong": []}')
    begin = time.perf_counter()
    report(
        folder / "dataset" / "cameras.json",
        names,
        names[0],
        work / "check.json",
        "masks",
        page=work / "page.html",
        verdicts=work / "verdicts.json",
        title="benchmark",
        threads=cores(),
    )
    return time.perf_counter() - begin


def timed_report(folder: Path, names: list[str], work: Path) -> tuple[float, float]:
    """Return seconds and processor time of a report."""
    begin = time.process_time()
    seconds = seconds_of_report(folder, names, work)
    return seconds, time.process_time() - begin


def measure_alarms(figures: Figures, capture: Doctored, seeds: int) -> None:
    """Count what is said of a capture as it is, and with noise."""
    figures.add("false alarms", len(capture.judged(threads=cores())), "", f"{len(capture.frames)} frames")
    for seed in range(seeds):
        generator = np.random.default_rng([SEED, seed])
        noisy = capture.with_meshes(lambda v, g=generator: v + g.normal(scale=NOISE_MM, size=v.shape))
        figures.add(f"false alarms with {NOISE_MM} mm of noise, {seed}", len(noisy.judged(threads=cores())), "")


def measure_faults(figures: Figures, capture: Doctored, trials: int) -> None:
    """Count faults that are named as what cannot be right, and other verdicts."""
    for name, (spoil, is_about) in FAULTS.items():
        named = others = 0
        drawn = draws(capture, trials if "size" not in name else 1)
        for draw in drawn:
            verdicts = spoil(capture, draw).judged(threads=cores())
            named += any(verdict.rank == WRONG and is_about(verdict, draw) for verdict in verdicts)
            others += sum(not is_about(verdict, draw) for verdict in verdicts)
        figures.add(f"{name}: named", named / len(drawn), "fraction", f"of {len(drawn)}; {others} other verdicts")


def measure_whole(figures: Figures, folder: Path, *, smallest: bool) -> None:
    """Measure the time per photograph at full size, and what 330 frames follow to."""
    size = SMALL if smallest else REDUCED
    write_capture(folder, size, cores())
    names = frame_names(folder)
    reduce_all(folder, names)
    figures.add(
        "reducing a photograph", milliseconds_of_reducing(1 if smallest else 20), "ms", "of 1334×2048, one thread"
    )
    stored = sum(path.stat().st_size for path in folder.rglob("*_reduced.npz")) / 1e3
    figures.add("reduced photographs of a frame", stored / len(names) / 1e3, "MB", f"{size.cameras} cameras")
    seconds_of_report(folder, names[:1], folder)  # loads the kernels
    one, processor_of_one = timed_report(folder, names[:1], folder)
    seconds, processor = timed_report(folder, names, folder)
    figures.add("full size: a report", seconds, "s", f"{len(names)} frames, {size.cameras} cameras")
    added = (len(names) - 1) * size.cameras
    figures.add("full size: one photograph more, processor time", 1e3 * (processor - processor_of_one) / added, "ms")
    frames, cameras = WHOLE
    for what, first, all_of_them, share in (
        ("wall", one, seconds, 1),
        ("processor time over 2", processor_of_one, processor, 2),
    ):
        whole = (first + (all_of_them - first) * (frames * cameras - size.cameras) / added) / share
        figures.add(f"full size: {frames} frames, {cameras} cameras, {what}", whole, "s", "extrapolated")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="results/{subject} of a run; otherwise photographed here")
    parser.add_argument("--person", default="first", choices=["first", "second"])
    parser.add_argument("--trials", type=int, default=20, help="of each kind of fault")
    parser.add_argument("--seeds", type=int, default=3, help="of the noise")
    parser.add_argument("--parts", nargs="+", default=["alarms", "faults", "whole"])
    return parsed(parser, trials=1, seeds=1)


def main() -> None:
    """Measure all."""
    options = arguments()
    figures = Figures(options, machine("numpy", "scipy", "numba"))
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        folder = options.folder or work
        if options.folder is None:
            small = {"cameras": 6, "image_height": 64, "frames": 2} if options.smallest else {}
            segments = list(load_expressions(checkout() / "resources" / "expressions" / "demo.yaml"))
            segments = segments[:3] if options.smallest else segments
            raw = photograph(Demo(person=options.person, **small), segments, work / "raw", SEED, cores())
            restructure_all(raw, segments, work, 0, cores())
        names = frame_names(folder)
        for what in ("a report, kernels to be loaded", "a report"):
            begin = time.process_time()
            seconds = seconds_of_report(folder, names, work)
            figures.add(
                what, seconds, "s", f"{len(names)} frames; {time.process_time() - begin:.1f} s of processor time"
            )
        capture = Doctored.of(open_subject(folder / "dataset" / "cameras.json", names))
        if "alarms" in options.parts:
            measure_alarms(figures, capture, options.seeds)
        if "faults" in options.parts:
            measure_faults(figures, capture, options.trials)
        if "whole" in options.parts:
            measure_whole(figures, work / "whole", smallest=options.smallest)
    figures.save()


if __name__ == "__main__":
    main()
