"""ARKit's blendshapes on heads whose own are known: `python benchmarks/blendshapes/blendshapes.py`.

The template's blendshapes are transferred to the demo's two people, by landmarks that are found in photographs of them;
with `--smallest` by their own places and noise. Measured are the cosines with what each person's own blendshapes do to
the tracked mesh, also on meshes of half and four times the vertices and with mouth and eyes open; and how many
blendshapes are found under their names in tracked meshes of the demo's expressions with tracking noise.
"""

import argparse
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from splatrig.blendshapes.arkit import NAMES
from splatrig.blendshapes.template_face import read_template_face
from splatrig.blendshapes.transfer import register, transfer
from splatrig.capture.demo.expressions import frame_weights, load_expressions
from splatrig.capture.demo.tracked import tracking_noise
from splatrig.components.blendshape_fit import fit_blendshapes
from splatrig.components.units import turns_eyes
from splatrig.config.models import Demo
from splatrig.evaluation.truth import FOUND
from splatrig.landmarks.detect import detect
from splatrig.landmarks.locate import locate
from splatrig.mesh.normals import vertex_areas
from support.capture_faults import restructured
from support.demo_blendshapes import Tracked, landmarks_of, tracked_person
from support.demo_people import NEUTRAL, raw_capture
from support.harness import ROOT, Figures, demo_head, face_finder, machine, parsed, parser_of

CANONICAL = ROOT / "resources" / "landmarks" / "canonical.csv"
FRAMES = 3
"""Of a segment."""
NOISES = (1.0, 3.0)
"""Of tracking, relative to the demo's."""


def landmarks(person: str, folder: Path, canonical: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the landmarks [L, 3] that the network finds in photographs of a person's neutral."""
    (folder / person).mkdir()
    capture = raw_capture(person, [NEUTRAL], folder / person)
    frame = restructured(capture, [NEUTRAL], folder / f"{person}_frames", 1)[0]
    return locate(frame.cameras, detect(frame, face_finder()), canonical).positions


def measure_cosines(figures: Figures, what: str, mesh: Tracked, shapes: NDArray[np.float64], bars: str = "") -> None:
    """Report how well transferred shapes point as the true ones."""
    cosines = mesh.cosines(shapes)
    worst = NAMES[int(cosines.argmin())]
    figures.add(f"{what}: cosine, mean of 51", cosines.mean(), "", bars and "bar 0.97")
    figures.add(f"{what}: cosine, least", cosines.min(), "", f"{worst}{bars and '; bar 0.90'}")


def measure_found(figures: Figures, what: str, mesh: Tracked, shapes: NDArray[np.float64], noise: float) -> None:
    """Report how many blendshapes of the skin are found under their names in meshes of the demo's expressions."""
    expressions = load_expressions(ROOT / "resources" / "expressions" / "demo.yaml")
    peaks = list(expressions.values())
    weights = np.array(
        [[frame.get(name, 0.0) for name in NAMES] for peak in peaks for frame in frame_weights(peak, FRAMES)]
    )
    generator = np.random.default_rng(1)
    surface = SimpleNamespace(offsets=mesh.vertices, faces=mesh.faces)
    errors = np.concatenate(
        [tracking_noise(surface, FRAMES, noise * Demo().tracking_noise_mm, generator) for _ in peaks]  # type: ignore[arg-type]
    )
    moved = np.tensordot(weights, mesh.shapes, 1) + errors - errors[0]
    begin = time.process_time()
    fitted = fit_blendshapes(shapes, moved, vertex_areas(mesh.vertices, mesh.faces))
    seconds = time.process_time() - begin
    shown = [k for k, name in enumerate(NAMES) if np.ptp(weights[:, k]) > 0 and not turns_eyes(name)]
    found = sum(bool(_correlation(fitted.weights[:, k], weights[:, k]) >= FOUND) for k in shown)
    where = f"{what}, tracking noise {noise:g}×"
    figures.add(f"{where}: found by name", found / len(shown), "fraction", f"{found} of {len(shown)}; bar 0.9")
    unseen = [NAMES[k] for k in np.flatnonzero(fitted.told) if not weights[:, k].any()]
    figures.add(f"{where}: told without being shown", len(unseen), "", ", ".join(unseen))
    figures.add(f"{where}: fit of {len(weights)} frames, processor", seconds, "s")


def _correlation(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    return float(np.corrcoef(left, right)[0, 1]) if np.ptp(left) > 0 else 0.0


def main(options: argparse.Namespace) -> None:
    """Measure."""
    figures = Figures(options, machine("numpy", "scipy", "scikit-learn"))
    face = read_template_face(demo_head(), CANONICAL)
    with tempfile.TemporaryDirectory(prefix="splatrig-blendshapes-") as folder:
        for person in options.people:
            exact = landmarks_of(person, face.landmarks, noise_mm=1.0) if options.smallest else None
            found = landmarks(person, Path(folder), face.landmarks) if exact is None else exact
            laid = register(face, found)
            mesh = tracked_person(person)
            begin = time.process_time()
            shapes = transfer(laid, mesh.vertices, mesh.faces)
            figures.add(
                f"{person}: transfer to {len(mesh.vertices)} vertices, processor", time.process_time() - begin, "s"
            )
            measure_cosines(figures, person, mesh, shapes, bars="yes")
            if not options.smallest:
                others = {
                    "half the vertices": tracked_person(person, 500),
                    "four times the vertices": mesh.finer(),
                    "mouth and eyes open": mesh.opened(),
                }
                for name, other in others.items():
                    measure_cosines(figures, f"{person}, {name}", other, transfer(laid, other.vertices, other.faces))
            for noise in NOISES[:1] if options.smallest else NOISES:
                measure_found(figures, person, mesh, shapes, noise)
    figures.save()


if __name__ == "__main__":
    parser = parser_of(__doc__)
    parser.add_argument("--people", nargs="+", choices=("first", "second"), default=["first", "second"])
    main(parsed(parser, people=["second"]))
