"""Measure how much still skin flickers: `python benchmarks/studies/flicker.py FOLDER --rigs WITHOUT.h5 WITH.h5`.

FOLDER is `results/{subject}` of a run; rigs are component files, by default its learned rigs. The component that moves
the chin most goes to its end and back along a cosine in 48 frames, seen from the held-out camera that faces the head
most. Printed is the mean change from frame to frame, in 255ths, of the pixels that show the face and, in no frame and
none of the rigs, a Gaussian that moves as much as `--still-mm`: all rigs are compared on the same pixels.
With `--sweep gaze` both eyes look to the left and to the right in place of that component.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.animation.family import frontal_order
from splatrig.animation.render import render
from splatrig.components.rig import Rig
from splatrig.components.rig_file import read_rig
from splatrig.control.panel import weight_ranges
from splatrig.dataset.cameras import Cameras, read_cameras
from splatrig.dataset.pose import read_pose
from splatrig.gaussians.gaussians import SH_C0, Gaussians
from splatrig.gaussians.store import read_fitted_frames
from splatrig.mesh.template import Level, read_template
from support.ball_head import ball, front_cameras
from support.harness import Figures, machine, parsed, parser_of

LOOKS = ("eyeLookOutLeft", "eyeLookInLeft", "eyeLookOutRight", "eyeLookInRight")
"""Components that turn the eyes: out and in of the left eye, then of the right one."""
SHOWN = 0.01
"""What has less blending weight in a pixel does not show there."""


def chin_of(level: Level) -> int:
    """Return the vertex as far below the mouth as the mouth is below the nose; without landmarks the foremost one."""
    if level.marks is None:
        return int(level.vertices[:, 2].argmax())
    place = 2 * level.marks.mouth - level.marks.nose_tip
    return int(np.linalg.norm(level.vertices - place, axis=1).argmin())


def sweep(rig: Rig, vertex: int, frames: int) -> tuple[int, NDArray[np.float64]]:  # [frames, K]
    """Return the component that moves a vertex most, and its way to its end and back."""
    low, high = weight_ranges(rig.components.W.astype(np.float64))
    moves = rig.components.displacements
    assert moves is not None  # learned rigs move centers
    ends = np.where(high >= -low, high, low)
    chosen = int(np.abs(np.linalg.norm(moves[:, vertex], axis=1) * ends).argmax())
    weights = np.zeros((frames, rig.count))
    weights[:, chosen] = ends[chosen] * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frames) / frames))
    return chosen, weights


def look_around(rig: Rig, frames: int) -> NDArray[np.float64]:  # [frames, K]
    """Return weights with which both eyes look to the subject's left and right, once around; zero without eyes."""
    weights = np.zeros((frames, rig.count))
    side = np.sin(2 * np.pi * np.arange(frames) / frames)
    for name, amount in zip(LOOKS, (side, -side, -side, side), strict=True):
        if name in (rig.components.names or ()):
            weights[:, list(rig.components.names).index(name)] = amount.clip(0.0)
    return weights


def painted(posed: Gaussians, colors: NDArray[np.float64]) -> Gaussians:
    """Return Gaussians in plain `colors` [N, 3]."""
    plain = ((colors - 0.5) / SH_C0)[:, None].astype(np.float32)
    return replace(posed, sh0=plain, shN=np.zeros_like(posed.shN))


def still_pixels(posed: list[Gaussians], level: Level, camera: Cameras, still_mm: float) -> NDArray[np.bool_]:  # [H, W]
    """Return the pixels that show, in all frames, the face of the mesh and no Gaussian that moves by `still_mm`."""
    places = np.stack([gaussians.means for gaussians in posed])
    moving = np.linalg.norm(places - places[:1], axis=2).max(axis=0) >= still_mm
    face = np.zeros(len(moving))
    face[: len(level.vertices)] = level.mask
    colors = np.stack([moving, face, face], axis=1).astype(np.float64)
    still = np.ones((camera.height, camera.width), bool)
    for gaussians in posed:
        image = render(painted(gaussians, colors), camera)[0][0]
        still &= (image[..., 0] < SHOWN) & (image[..., 1] > 1 - SHOWN)
    return still


def measure(rigs: dict[str, Rig], level: Level, camera: Cameras, figures: Figures) -> None:
    """Sweep every rig and print how much the pixels change that are still in all."""
    options, films, still = figures.options, {}, np.ones((camera.height, camera.width), bool)
    for name, rig in rigs.items():
        if options.sweep == "gaze":
            weights = look_around(rig, options.frames)
            figures.say(f"{name}: {len(rig)} Gaussians, eyes turn: {'yes' if weights.any() else 'no'}")
        else:
            chosen, weights = sweep(rig, chin_of(level), options.frames)
            figures.say(f"{name}: {len(rig)} Gaussians, component {chosen + 1} of {rig.count}")
        posed = [rig.pose(row) for row in weights]
        still &= still_pixels(posed, level, camera, options.still_mm)
        films[name] = np.stack([render(gaussians, camera)[0][0] for gaussians in posed])
    figures.add("still pixels", still.mean(), "fraction")
    for name, film in films.items():
        change = 255 * np.abs(np.diff(film, axis=0, append=film[:1]))
        if still.any():
            figures.add(f"{name}: change of still skin from frame to frame", change[:, still].mean(), "of 255")
        figures.add(f"{name}: the same over the whole image", change.mean(), "of 255")


def opened(options: argparse.Namespace) -> tuple[dict[str, Rig], Level, Cameras]:
    """Return rigs by file, the finest level and the most frontal of the held-out cameras, in head space."""
    results = options.results
    template = read_template(results / "template" / "template.h5")
    fitted = read_fitted_frames(results / "gaussians" / "neutral.h5")
    frame = fitted.frames[0]
    pose = read_pose(results / "dataset" / fitted.expression / frame / f"{frame}_transform.txt")
    cameras = read_cameras(results / "dataset" / "cameras.json").in_head_space(pose)
    cameras = cameras.select(cameras.held_out) if cameras.held_out.any() else cameras
    paths = options.rigs or sorted((results / "components" / template.finest).glob("learned_*.h5"))
    rigs = {str(path): read_rig(path, fitted.gaussians[0], template) for path in paths}
    nearest = frontal_order(cameras, template.finest_level.vertices)[:1]
    return rigs, template.finest_level, cameras.select(nearest)


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("results", type=Path, nargs="?", help="results/{subject} of a run")
    parser.add_argument("--rigs", type=Path, nargs="*", help="component files; default: its learned rigs")
    parser.add_argument("--frames", type=int, default=48, help="of the way there and back")
    parser.add_argument("--sweep", choices=["jaw", "gaze"], default="jaw")
    parser.add_argument("--still-mm", type=float, default=0.05, help="what moves less is still")
    options = parsed(parser, frames=4)
    if options.results is None and not options.smallest:
        parser.error("give results/{subject} of a run, or --smallest")
    figures = Figures(options, machine("torch", "numba"))
    if options.results:
        rigs, level, camera = opened(options)
    else:
        head = ball(600, 4, local_cosine=0.9, size=0.3)
        rigs = {name: family.rig for name, family in head.families.items() if name == "learned_local"}
        level, camera = head.template.finest_level, front_cameras(48, 64)
    measure(rigs, level, camera, figures)
    figures.save()


if __name__ == "__main__":
    main()
