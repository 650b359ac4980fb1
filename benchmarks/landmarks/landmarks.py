"""Landmarks, gaze and the check of captures: `python benchmarks/landmarks/landmarks.py`.

Both of the demo's people are photographed at rest, the first one also in four expressions. Measured are the error of
reprojection, the distance to the tracked mesh, the seconds of finding landmarks (decoding included) in these
photographs and in 38 enlarged to 1334×2048, nine faults of captures and more (tests/support/capture_faults.py), which
must be refused or named, and what must pass without a word. Eyeballs and gaze of both people, in segments in which they
look to all sides and close their eyes, are compared with the truth.
"""

import argparse
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from splatrig.capture.demo.expressions import frame_weights, load_expressions, peak_weights
from splatrig.capture.demo.head import load_head
from splatrig.capture.demo.identity import PEOPLE
from splatrig.dataset.dataset import Dataset, Frame
from splatrig.landmarks.canonical import read_canonical
from splatrig.landmarks.detect import detect
from splatrig.landmarks.gaze import direction_of
from splatrig.landmarks.locate import locate
from splatrig.landmarks.measure_gaze import find_gaze, lids_of
from splatrig.landmarks.network import FaceFinder
from splatrig.landmarks.table import attach_located
from splatrig.mesh.nearest import Surface
from splatrig.mesh.obj import read_obj
from support.capture_faults import (
    FAULTS,
    KRT_OF_ANOTHER,
    MORE_FAULTS,
    Examined,
    Fault,
    central,
    copy_of,
    examine,
    krt_of,
    meshes_of,
    restructured,
    scene_of,
    tracked_with_noise,
)
from support.demo_gaze import true_centers, true_turns
from support.demo_people import NEUTRAL, raw_capture
from support.face_networks import IRIS
from support.harness import ROOT, Figures, demo_head, face_finder, machine, parsed, parser_of

EXPRESSIONS = (
    "E008_Smile_Mouth_Closed",
    "E012_Jaw_Open_Huge_Smile",
    "E024_Kiss_Lips_Look_Down",
    "E065_Raise_Left_Eyebrow",
)
LOOKS = (
    "E003_Neutral_Eyes_Closed",
    "E024_Kiss_Lips_Look_Down",
    "E042_Mouth_Nose_Left",
    "E043_Mouth_Open_Jaw_Right_Show_Teeth",
    "E057_Cheeks_Puffed",
)
"""Segments in which eyes turn or close."""
FULL_SIZE, FULL_CAMERAS = (1334, 2048), 38
FRAMES = 3
"""Of a segment."""


@dataclass(frozen=True)
class Case:
    """One capture that is examined."""

    what: str
    person: str
    segment: str
    spoil: Fault
    expected: str | None
    """What the door must say; None: nothing."""


def untouched(_: Path) -> None:
    """Spoil nothing."""


def peak_of(segment: str) -> dict[str, float]:
    """Return the weights of the demo's face units at the peak of a segment."""
    return dict(peak_weights(load_expressions(ROOT / "resources" / "expressions" / "demo.yaml"), segment))


def faults(people: list[str], captures: dict[str, Path], *, more: bool) -> list[Case]:
    """Return what must be refused or warned of."""
    chosen = {**FAULTS, **(MORE_FAULTS if more else {})}
    cases = [Case(name, who, NEUTRAL, *fault) for who in people for name, fault in chosen.items()]
    if len(people) > 1:
        other = {"first": "second", "second": "first"}
        cases += [Case("KRT of another", who, NEUTRAL, krt_of(captures[other[who]]), KRT_OF_ANOTHER) for who in people]
    if more:
        meshes = captures["first"] / "tracked_mesh"
        cases += [
            Case(f"meshes of {name}", "first", NEUTRAL, meshes_of(meshes / name), "of another frame")
            for name in EXPRESSIONS
        ]
    return cases


def sound(people: list[str], *, expressions: bool) -> list[Case]:
    """Return what must pass without a word."""
    kinds: dict[str, Fault] = {
        "as it is": untouched,
        "tracking noise of 0.5 mm": tracked_with_noise(0.5),
        "principal points at 0.44": central(0.44),
    }
    cases = [Case(name, who, NEUTRAL, spoil, None) for who in people for name, spoil in kinds.items()]
    if expressions:
        cases += [Case(f"{name} as the neutral", "first", name, untouched, None) for name in EXPRESSIONS]
    return cases


def held(case: Case, said: Examined) -> bool:
    """Say whether the door said what it must."""
    words = " ".join([said.refused, *said.odd])
    return words == "" if case.expected is None else re.search(case.expected, words) is not None


def examined(case: Case, captures: dict[str, Path], work: Path, finder: FaceFinder, canonical: np.ndarray) -> Examined:
    """Return what the door says about a case."""
    shutil.rmtree(work, ignore_errors=True)
    root = copy_of(captures[case.person], case.segment, work / "capture")
    case.spoil(root)
    return examine(root, case.segment, work / "out", finder, canonical)


def enlarged(frame: Frame, folder: Path) -> Frame:
    """Return the frame of 38 full-size photographs: those of `frame` in turn, enlarged."""
    rows = np.arange(FULL_CAMERAS) % len(frame.cameras)
    width, height = FULL_SIZE
    scale = np.diag([width / frame.cameras.width, height / frame.cameras.height, 1.0])
    cameras = replace(
        frame.cameras.select(rows),
        names=tuple(f"{row:06d}" for row in range(FULL_CAMERAS)),
        Ks=scale @ frame.cameras.Ks[rows],
        width=width,
        height=height,
        held_out=np.zeros(FULL_CAMERAS, dtype=bool),
    )
    folder.mkdir(parents=True)
    for row, name in zip(rows, cameras.names, strict=True):
        with Image.open(frame.photograph(int(row))) as image:
            image.resize(FULL_SIZE, Image.Resampling.BICUBIC).save(folder / f"{name}.png", compress_level=1)
    return Frame(frame.expression, frame.frame, folder, cameras)


def time_of(
    figures: Figures, what: str, frame: Frame, surface: Surface, finder: FaceFinder, canonical: np.ndarray
) -> None:
    """Measure the seconds of finding, locating and attaching the landmarks of a frame, on one core."""
    begin, processor = time.perf_counter(), time.process_time()
    attach_located(locate(frame.cameras, detect(frame, finder), canonical), surface)
    figures.add(f"{what}: seconds", time.perf_counter() - begin, "s")
    figures.add(f"{what}: processor", time.process_time() - processor, "s", "what a machine without other load takes")


def measure_seconds(
    figures: Figures, capture: Path, work: Path, finder: FaceFinder, canonical: np.ndarray, full: bool
) -> None:
    """Measure how long landmarks take."""
    shutil.rmtree(work, ignore_errors=True)
    scene_of(capture, NEUTRAL, work, finder, canonical)
    dataset = Dataset.open(work / "dataset" / "cameras.json")
    name = next((work / "dataset" / NEUTRAL).glob("0*")).name
    frame = dataset.frame(f"{NEUTRAL}/{name}")
    mesh = read_obj(frame.folder / f"{name}.obj")
    surface = Surface(mesh.vertices, mesh.faces)
    time_of(figures, "the demo's photographs", frame, surface, finder, canonical)
    if full:
        large = enlarged(frame, work / "large")
        time_of(figures, "38 of 1334×2048", large, surface, finder, canonical)


def measure_gaze(
    figures: Figures,
    who: str,
    capture: Path,
    segments: list[str],
    work: Path,
    finder: FaceFinder,
    canonical: np.ndarray,
) -> None:
    """Measure eyeballs and gaze of one of the people in all frames of some segments, the neutral's first."""
    shutil.rmtree(work, ignore_errors=True)
    frames = restructured(capture, segments, work, FRAMES)
    mesh = read_obj(frames[0].folder / f"{frames[0].frame}.obj")
    landmarks = locate(frames[0].cameras, detect(frames[0], finder), canonical)
    lids = lids_of(attach_located(landmarks, Surface(mesh.vertices, mesh.faces)))
    neutral, learned = np.array([frame.expression == NEUTRAL for frame in frames]), np.ones(len(frames), bool)
    begin = time.process_time()
    gaze = find_gaze(frames, lids, IRIS, neutral=neutral, learned=learned)
    seconds = time.process_time() - begin
    head = load_head(demo_head(), PEOPLE[who])
    weights = [own for segment in segments for own in frame_weights(peak_of(segment), FRAMES)]
    turns = np.array([true_turns(head, own) for own in weights])
    closed = np.array([own.get("eyeBlinkLeft", 0.0) > 0.5 for own in weights])
    cosines = (gaze.directions * direction_of(turns[..., 0], turns[..., 1])).sum(axis=-1)
    angles = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))  # [F, 2]
    turned = np.linalg.norm(turns, axis=-1) > 4.0
    figures.add(f"{who}: centers of eyeballs", np.linalg.norm(gaze.centers - true_centers(head), axis=1).max(), "mm",
                "the farther of the two; bar 1.5")  # fmt: skip
    figures.add(f"{who}: radius of eyeballs", gaze.radii_mm[0], "mm", "15.7 and 16.0 in truth")
    figures.add(f"{who}: gaze, median error", np.median(angles[~closed]), "°", "bar 4")
    figures.add(f"{who}: gaze, largest error", angles[~closed].max(), "°")
    if turned.any():
        figures.add(f"{who}: gaze of turned eyes, median error", np.median(angles[turned]), "°")
    figures.add(f"{who}: confidence in open eyes, least", gaze.confidence[~closed].min(), "fraction")
    if closed.any():
        figures.add(f"{who}: confidence in closed eyes, largest", gaze.confidence[closed].max(), "fraction", "bar 0")
    figures.add(f"{who}: gaze of {len(frames)} frames: processor", seconds, "s")


def count(cases: list[Case], examine_case: Callable[[Case], Examined], figures: Figures) -> int:
    """Print what the door says about each case, and return of how many it says what it must."""
    right = 0
    for case in cases:
        said = examine_case(case)
        right += held(case, said)
        mark = "yes" if held(case, said) else "NO"
        figures.say(f"{mark:>3}  {case.person}, {case.what}: {said.refused or '; '.join(said.odd) or 'nothing'}")
    return right


def main(options: argparse.Namespace) -> None:
    """Measure."""
    finder, canonical = face_finder(), read_canonical(ROOT / "resources" / "landmarks" / "canonical.csv")
    figures = Figures(options, machine("ai-edge-litert", "numpy", "scipy"))
    people: list[str] = options.people
    with tempfile.TemporaryDirectory(prefix="splatrig-landmarks-") as folder:
        work = Path(folder) / "work"
        captures = {}
        looks = [NEUTRAL, *(() if options.smallest else LOOKS)]
        for who in people:
            others = EXPRESSIONS if who == "first" and not options.smallest else ()
            (Path(folder) / who).mkdir()
            captures[who] = raw_capture(who, list(dict.fromkeys([*looks, *others])), Path(folder) / who)

        def examine_case(case: Case) -> Examined:
            return examined(case, captures, work, finder, canonical)

        for who in people:
            said = examine_case(Case("as it is", who, NEUTRAL, untouched, None))
            figures.add(f"{who}: error of reprojection", said.error_percent, "%", "of the image's height; bar 0.4")
            figures.add(f"{who}: distance to the tracked mesh", said.distance_mm, "mm")
            measure_gaze(figures, who, captures[who], looks, work, finder, canonical)
        measure_seconds(figures, captures[people[0]], work, finder, canonical, full=not options.smallest)
        right = faults(people, captures, more=options.more)
        wrong = sound(people, expressions=not options.smallest)
        if options.smallest:
            right, wrong = [case for case in right if case.what in ("images halved", "z up")], wrong[:1]
        named = count(right, examine_case, figures)
        silent = count(wrong, examine_case, figures)
        figures.add("faults named", named / len(right), "fraction", f"{named} of {len(right)}")
        figures.add("false alarms", len(wrong) - silent, "", f"of {len(wrong)}")
    figures.save()


if __name__ == "__main__":
    parser = parser_of(__doc__)
    parser.add_argument("--people", nargs="+", choices=("first", "second"), default=["first", "second"])
    parser.add_argument("--more", action="store_true", help="also faults beyond the nine")
    main(parsed(parser, people=["first"]))
