"""Measure mattes against the ray tracer's exact ones: silhouettes, segmentation, plates photographed and computed.

`python benchmarks/studies/plate_mattes.py --person second` photographs one of the demo's people and the empty stage,
and makes the data set with each kind of matte. Intersection over union and the mean error of alpha are those of the
band of 40 mm outside of the silhouette, means over the frames of segments that no constant was chosen by. With FOLDER
a raw capture of the demo that is there is used (its empty stage is photographed again).
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from PIL import Image

from splatrig.capture.calibration import calibrated_cameras, choose_camera_names, raw_image_sizes
from splatrig.capture.demo.expressions import load_expressions
from splatrig.capture.demo.raw import to_raw, write_png
from splatrig.capture.demo.render import develop
from splatrig.capture.demo.synthesize import load_rig, sensor_noise
from splatrig.capture.krt import read_krt
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.plate_mattes import BAND_MM
from splatrig.capture.plates import PlateSource, compute_plates, take_plates
from splatrig.capture.restructure import RestructureOptions, restructure
from splatrig.config.models import Demo
from splatrig.dataset.cameras import Cameras
from splatrig.landmarks.retrieve import retrieve_segmentation_network
from support.demo_people import NEUTRAL, photograph
from support.harness import Figures, checkout, cores, machine, parsed, parser_of

OPTIONS = RestructureOptions(NEUTRAL, 1000, "first", "refuse", 1.0, "multiface_gamma", "masks", 0)
KINDS = ("silhouette", "segmentation", "photographed plates", "computed plates")
SEED = 0
UNTOUCHED = (1, 2, 5, 7, 10, 11)
"""Numbers of the segments that are measured. The others, of both people, chose the constants of the mattes."""


def photograph_stage(layout: CaptureLayout, rig_path: Path) -> None:
    """Write the empty stage as the demo's cameras see it, with a sensor's noise."""
    rig, generator = load_rig(rig_path), np.random.default_rng([SEED, 9])
    (layout.root / "plates").mkdir(exist_ok=True)
    for name, radiance in zip(rig.cameras.names, rig.backgrounds, strict=True):
        raw = to_raw(develop(radiance))
        write_png(layout.root / "plates" / f"{name}.png", raw, sensor_noise(raw, generator))


def compared(
    alpha: NDArray[np.uint8], truth: NDArray[np.uint8], mesh: NDArray[np.uint8], pixel_mm: float
) -> tuple[float, float]:  # [C, H, W] each
    """Return intersection over union and mean error of alpha of one frame, in the band outside of the silhouette."""
    near = [scipy.ndimage.distance_transform_edt(each == 0) * pixel_mm < BAND_MM for each in mesh]
    band = np.stack(near) & (mesh < 255)
    ours, exact = alpha[band].astype(np.float64), truth[band].astype(np.float64)
    both, either = ((ours > 127) & (exact > 127)).sum(), ((ours > 127) | (exact > 127)).sum()
    return float(both / max(either, 1)), float(np.abs(ours - exact).mean() / 255.0)


def alphas(folder: Path, cameras: Cameras) -> NDArray[np.uint8]:  # [C, H, W]
    """Return the alpha channels of a frame of a data set."""
    return np.stack([np.asarray(Image.open(folder / f"{name}.png"))[..., 3] for name in cameras.names])


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="a raw capture of the demo, made if it is not there")
    parser.add_argument("--person", default="first", choices=["first", "second"])
    parser.add_argument("--cameras", type=int, default=Demo().cameras)
    parser.add_argument("--height", type=int, default=Demo().image_height, help="pixels; the width follows 1334:2048")
    parser.add_argument("--frames", type=int, default=Demo().frames, help="of a segment")
    parser.add_argument("--segments", nargs="+", help="by default all")
    return parsed(parser, cameras=4, height=64, frames=2, segments=[NEUTRAL])


def main() -> None:
    """Photograph, restructure with every kind of matte, and print how near each is to the truth."""
    options = arguments()
    figures = Figures(options, machine("numpy", "numba"))
    demo = Demo(person=options.person, cameras=options.cameras, image_height=options.height, frames=options.frames)
    segments = options.segments or list(load_expressions(checkout() / "resources" / "expressions" / "demo.yaml"))
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        raw = options.folder or work / "raw"
        if not (raw / "KRT").is_file():
            photograph(demo, segments, raw, SEED, cores())
        layout = CaptureLayout(raw)
        photograph_stage(layout, next(raw.glob("*rig.npz")))
        krt = read_krt(layout.krt)
        names = choose_camera_names(layout, NEUTRAL, "all", set(krt))
        cameras = calibrated_cameras(krt, raw_image_sizes(layout, NEUTRAL, names))
        source = PlateSource(layout, cameras, OPTIONS.image_scale, OPTIONS.color)
        for kind in ("photographed plates", "computed plates"):
            (work / kind).mkdir()
        take_plates(source, layout.root / "plates", work / "photographed plates")
        begin = time.perf_counter()
        compute_plates(source, segments, NEUTRAL, work / "computed plates")
        figures.add("computing plates", time.perf_counter() - begin, "s")
        results: dict[str, list[tuple[float, float]]] = {}
        retrieve_segmentation_network(work / "network.tflite", work / "LICENSE")
        seconds = dict.fromkeys(("masks", *KINDS), 0.0)
        for segment in [segments[k] for k in UNTOUCHED if k < len(segments)] or segments:
            for kind in seconds:
                asked = replace(OPTIONS, background="plate" if "plates" in kind else kind)
                begin = time.perf_counter()
                rows = restructure(
                    *(layout, segment, cameras, asked, work / f"{kind} {segment}"),
                    plates=work / kind,
                    segmenter=work / "network.tflite",
                )
                seconds[kind] += time.perf_counter() - begin
            for row in rows:
                found = {kind: alphas(work / f"{kind} {segment}" / row.frame, cameras) for kind in seconds}
                pose = np.loadtxt(work / f"masks {segment}" / row.frame / f"{row.frame}_transform.txt")
                pixel_mm = cameras.in_head_space(pose).pixel_size(np.zeros(3))
                for kind in KINDS:
                    measured = compared(found[kind], found["masks"], found["silhouette"], pixel_mm)
                    results.setdefault(kind, []).append(measured)
        for kind, values in results.items():
            union, error = np.mean(values, axis=0)
            figures.add(f"{kind}: intersection over union", float(union), "fraction")
            figures.add(f"{kind}: mean error of alpha", float(error), "fraction")
            each = 1e3 * seconds[kind] / (len(values) * len(cameras))
            figures.add(f"{kind}: restructuring, a photograph", each, "ms")
    figures.save()


if __name__ == "__main__":
    main()
