"""Fit frames one by one with and without free Gaussians: a part of `free_gaussians.py`.

The neutral is fitted again with the free Gaussians, and frames start from it as they do in the pipeline: structured
Gaussians follow the tracked mesh, and free ones follow their parents or stand still.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from splatrig.fitting.fitting import FitContext, warm_gaussians
from splatrig.fitting.frame_data import FrameData
from splatrig.fitting.frame_fit import fit
from splatrig.fitting.initialize import moved_by_mesh
from splatrig.fitting.measurement import measure_frame, summary
from splatrig.fitting.trainable_rig import RigStart
from splatrig.gaussians.free import FreeGaussians, Motion
from splatrig.gaussians.gaussians import Gaussians
from splatrig.learned.free_start import with_free
from splatrig.learned.stage import surroundings
from splatrig.mesh.normals import vertex_rotations
from support.learned_bench import Bench, context_of

IDENTITY = (1.0, 0.0, 0.0, 0.0)


def compare_single_fits(bench: Bench, free: FreeGaussians, count: int) -> None:
    """Fit `count` training frames, evenly chosen, and record their mean PSNR in the mask of held-out cameras.

    Recorded are frames as the pipeline fits them; with free Gaussians (`own`); the structured Gaussians of these with
    free ones of the neutral that only follow their parents (`carried`), as PCA of exported matrices could have them;
    and the structured Gaussians of these alone (`matrices`).
    """
    subject, steps = bench.subject, bench.config.fitting.frame_steps
    context = context_of(bench.folder, bench.config, bench.device, steps)
    neutral, structured = subject.neutral, len(subject.neutral)
    alone = RigStart(neutral, np.zeros((1, 0), np.float32), None, neutral_row=0)
    start = with_free(alone, free).base
    longer = replace(context, plan=replace(context.plan, steps=bench.config.fitting.neutral_steps))
    rest = fitted(bench, longer, context.load(subject.neutral_name), start)
    rows = []
    names = subject.names("train")
    for name in [names[index] for index in np.linspace(0, len(names) - 1, min(count, len(names))).astype(int)]:
        frame = context.load(name)
        before = fitted(bench, context, frame, warm_gaussians(context, frame.vertices, neutral))
        placed = carried(context, free, rest, frame.vertices)
        own = fitted(bench, context, frame, placed)
        carries = joined(part(own, slice(structured)), part(placed, slice(structured, None)))
        variants = (before, own, carries, part(own, slice(structured)))
        rows.append([summary(measure_frame(each, frame, bench.render))["psnr"] for each in variants])
    means = np.mean(rows, axis=0).tolist()
    named = dict(zip(("without", "own", "carried", "matrices"), means, strict=True))
    told = {"free": len(free), "frames": str(len(rows)), "seed": bench.seed}
    bench.record("single fits", told | {f"psnr_{name}": value for name, value in named.items()})


def fitted(bench: Bench, context: FitContext, frame: FrameData, start: Gaussians) -> Gaussians:
    """Fit a frame; free Gaussians are drawn to where they start as structured ones are to their vertices."""
    anchors = np.concatenate([frame.vertices, start.means[len(frame.vertices) :].astype(np.float64)])
    lengths = surroundings(bench.subject, len(start), ()).edge_lengths
    anchored = replace(frame, vertices=anchors)
    return fit(start, anchored, lengths, context.plan, context.seed, reference_quats=start.quats).gaussians


def carried(
    context: FitContext,
    free: FreeGaussians,
    rest: Gaussians,
    vertices: NDArray[np.float64],  # [N, 3]
) -> Gaussians:
    """Return the neutral's structured and free Gaussians, moved by the tracked mesh to a frame."""
    neutral, parents = context.neutral_vertices, free.parents
    turns = vertex_rotations(neutral, vertices, context.faces)
    still = (free.motions == Motion.STILL)[:, None]
    places, rotations = np.where(still, neutral[parents], vertices[parents]), np.where(still, IDENTITY, turns[parents])
    return moved_by_mesh(
        rest,
        np.concatenate([neutral, neutral[parents]]),
        np.concatenate([vertices, places]),
        np.concatenate([turns, rotations]),
    )


def part(gaussians: Gaussians, rows: slice) -> Gaussians:
    """Return some rows of Gaussians."""
    return Gaussians(**{name: values[rows] for name, values in gaussians.items()})


def joined(first: Gaussians, second: Gaussians) -> Gaussians:
    """Return the rows of both."""
    return Gaussians(**{name: np.concatenate([values, getattr(second, name)]) for name, values in first.items()})
