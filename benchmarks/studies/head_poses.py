"""Measure what learned head poses mend: `python benchmarks/studies/head_poses.py FOLDER --config CONFIG`.

FOLDER is `results/{subject}` of a run, with frames/, dataset/, template/ and gaussians/neutral.h5; without it a small
capture is synthesized. Its poses are taken for true. Rigs of structured Gaussians are learned with these and with poses
that are off by `--mm` and `--degrees` about the head's center, in random directions, each with poses as tracked and
with learned ones. Printed are the PSNR in dB of held-out cameras, in training frames and those that nothing was learned
from (`--held-out`), and how far poses are from the true ones, up to a motion that all frames have in common.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatrig.config.choices import Role
from splatrig.dataset.pose import moved
from splatrig.learned.compare import Posing, measured_rig, unseen
from splatrig.learned.plan import POSE_RATE, learned_plan
from splatrig.learned.stage import Subject, as_components, learn, rig_start
from support.harness import Figures, machine, parsed, parser_of
from support.learned_bench import Bench, mesh_start, open_bench, report, synthesized

Motions = Mapping[str, NDArray[np.float64]]  # of [3, 4]
STILL = np.eye(4)[:3]


def off_by(subject: Subject, mm: float, degrees: float, seed: int) -> Motions:
    """Return a motion of each frame's head, of the same size and in a random direction."""
    generator, center = np.random.default_rng([seed, 3]), center_of(subject)
    motions = {}
    for name in (*subject.names("train"), *subject.names("held_out")):
        axis, direction = generator.standard_normal((2, 3))
        turn = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis)).as_matrix()
        shift = center - turn @ center + mm * direction / np.linalg.norm(direction)
        motions[name] = np.column_stack([turn, shift])
    return motions


def center_of(subject: Subject) -> NDArray[np.float64]:  # [3]
    """Return the middle of the tracked vertices."""
    return subject.template.base.vertices.mean(axis=0)


def distances(subject: Subject, motions: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Return the median distances of poses from true ones: degrees, and millimeters at the head's center."""
    placed = np.stack([motion[:, :3] @ center_of(subject) + motion[:, 3] for motion in motions])
    turns = Rotation.from_matrix(np.stack([motion[:, :3] for motion in motions]))
    left = (turns.mean().inv() * turns).magnitude()
    shifts = np.linalg.norm(placed - placed.mean(axis=0), axis=1)
    return float(np.degrees(np.median(left))), float(np.median(shifts))


def measure(bench: Bench, noise: Motions, label: str) -> None:
    """Learn a rig of every family with poses that are off by `noise`, as tracked and learned."""
    bench = replace(bench, subject=bench.subject.corrected(noise))
    subject = bench.subject
    for family in bench.options.families:
        options = bench.options_of(family)
        start = rig_start(options, subject, mesh_start(bench, family))
        plan = learned_plan(options, bench.render, start, subject.pixel_size)
        for rate in (0.0, POSE_RATE):
            made = learn(start, subject, options, replace(plan, pose_rate=rate), bench.seed, bench.device)
            components = as_components(made, subject, options)
            row = {"family": family, "tracking": label, "poses": "learned" if rate else "tracked"}
            splits: tuple[Role, ...] = ("train", "held_out")
            for split in splits:
                names = subject.names(split)
                if not names:
                    continue
                known = split == "train"
                posing = Posing.learned(components) if known else unseen(bench.comparison(), components, names)
                table = measured_rig(bench.comparison(), names, split, family, components, posing)
                left = [moved(noise.get(name, STILL), posing.motions.get(name, STILL)) for name in names]
                degrees, mm = distances(subject, left)
                psnr = table.loc[table["region"] == "mask", "psnr"].mean()
                bench.record("head_poses", row | {"split": split, "psnr": psnr, "degrees": degrees, "mm": mm})


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="results/{subject} of a run")
    parser.add_argument("--mm", type=float, default=0.5, help="by which the head's center is off")
    parser.add_argument("--degrees", type=float, default=0.5, help="by which the head is turned")
    parser.add_argument("--families", nargs="+", choices=["global", "local"], default=["global"])
    parser.add_argument("--held-out", nargs="*", default=[], help="expressions that are not learned from")
    parser.add_argument("--config", type=Path, help="a configuration; without it the defaults")
    parser.add_argument("--out", type=Path, help="folder that gets the table, learned_head_poses.csv")
    parser.add_argument("--k", type=int)
    parser.add_argument("--steps", type=int, help="of a learned rig")
    parser.add_argument("--batch", type=int, help="photographs per step")
    parser.add_argument("--solve-steps", type=int, help="of the weights and the pose of an unseen frame")
    parser.add_argument("--neutral-steps", type=int, help="of the neutral's fit, where there is none")
    parser.set_defaults(fits=None, memory_gib=None, local_lambda=None, fit_steps=None, gpu_gib=None)
    return parsed(parser, held_out=["E002_Moved"], k=2, steps=3, solve_steps=2, neutral_steps=4)


def main() -> None:
    """Make or open the capture, and measure."""
    options = arguments()
    figures = Figures(options, machine("torch", "gsplat", "numba"))
    with tempfile.TemporaryDirectory() as temporary:
        keep, making = Path(temporary), None
        if options.folder is None:
            options.folder = keep / "capture"
            making = synthesized("small", 2, options.folder)
        elif (options.folder / "gaussians" / "neutral.h5").is_file():
            options.fits = options.folder / "gaussians"
        bench = open_bench(options, options.folder, keep, making, figures)
        bench.arrived([*bench.subject.names("train"), *bench.subject.names("held_out")])
        report(f"{len(bench.subject.names('train'))} training frames, {len(bench.subject.cameras)} cameras")
        measure(bench, {}, "true")
        measure(bench, off_by(bench.subject, options.mm, options.degrees, bench.seed), "off")
    figures.save()


if __name__ == "__main__":
    main()
