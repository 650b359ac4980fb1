"""Synthesize a restructured capture: `python benchmarks/capture/synthesize.py [FOLDER] [--head painted|first|second]`.

FOLDER gets what the rules before the fits leave below `results/{subject}`: frames/, dataset/ and template/.

  painted         a surface with a texture of its own, of any size (`--size`, `--frames`), shaded on `--device`; it
                  needs no retrieved head and shares no code with what is measured on it
  first, second   one of the demo's people, ray-traced at any size on all cores; the raw capture is in FOLDER/raw. By
                  default that is the whole head that free Gaussians are judged by: 24 cameras of 334×512, every
                  segment. Landmarks and gaze are found by the pipeline: a run of the demo, at any size and of the
                  same person and frames, has them in results/demo/landmarks; `--landmarks` copies them to FOLDER
"""

import argparse
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from splatrig.capture.demo.expressions import load_expressions
from support import demo_people, painted_head
from support.harness import Figures, checkout, cores, machine, need_cuda, parsed, parser_of


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser, person = parser_of(__doc__), demo_people.SIZE
    parser.add_argument("folder", type=Path, nargs="?", help="is made; without it nothing is kept")
    parser.add_argument("--head", default="painted", choices=["painted", "first", "second"])
    parser.add_argument("--frames", type=int, help="of each expression")
    painted = parser.add_argument_group("the painted head")
    painted.add_argument("--size", choices=list(painted_head.SIZES), default="full")
    painted.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where photographs are shaded")
    people = parser.add_argument_group("the demo's people")
    people.add_argument("--cameras", type=int, default=person.cameras)
    people.add_argument("--height", type=int, default=person.image_height, help="pixels; the width follows 1334:2048")
    people.add_argument("--subdivisions", type=int, default=2, help="of the tracked mesh")
    people.add_argument("--segments", nargs="+", help="by default all")
    people.add_argument("--landmarks", type=Path, help="folder with landmarks.csv and gaze.csv of this person")
    small = {"cameras": 4, "height": 48, "subdivisions": 1, "segments": [demo_people.NEUTRAL]}
    return parsed(parser, size="small", **small)


def paint(folder: Path, options: argparse.Namespace, figures: Figures) -> None:
    """Write a capture of the painted head."""
    if options.device == "cuda":
        need_cuda()
    size = painted_head.SIZES[options.size]
    size = replace(size, frames=options.frames or size.frames)
    begin = time.perf_counter()
    painted_head.write_capture(folder, size, cores(), options.device)
    seconds = time.perf_counter() - begin
    photographs = list(folder.glob("dataset/E*/*/*.png"))
    figures.add("photographs", len(photographs), "")
    figures.add("photographs written", len(photographs) / seconds, "1/s")
    figures.add("size of a photograph", sum(p.stat().st_size for p in photographs) / 1e6 / len(photographs), "MB")


def photograph(folder: Path, options: argparse.Namespace, figures: Figures) -> None:
    """Photograph and restructure one of the demo's people."""
    changed = {"person": options.head, "cameras": options.cameras, "image_height": options.height}
    frames = options.frames or (1 if options.smallest else demo_people.SIZE.frames)
    demo = demo_people.SIZE.model_copy(update=changed | {"frames": frames})
    segments = options.segments or list(load_expressions(checkout() / "resources" / "expressions" / "demo.yaml"))
    (folder / "raw").mkdir(parents=True)
    if options.landmarks is not None:
        shutil.copytree(options.landmarks, folder / "landmarks")
    begin = time.perf_counter()
    raw = demo_people.photograph(demo, segments, folder / "raw", processes=cores())
    photographed = time.perf_counter()
    demo_people.restructure_all(raw, segments, folder, options.subdivisions, cores())
    figures.add("seconds of photographs", photographed - begin, "s")
    figures.add("seconds of restructuring", time.perf_counter() - photographed, "s")


def main() -> None:
    """Write the capture that the command line asks for; in the smallest size also one of the demo's first person."""
    options = arguments()
    figures = Figures(options, machine("numba", "numpy", "embreex"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if options.head == "painted":
            paint(folder, options, figures)
        if options.head != "painted" or options.smallest:
            options.head = "first" if options.head == "painted" else options.head
            photograph(folder / options.head if options.smallest else folder, options, figures)
    figures.save()


if __name__ == "__main__":
    main()
