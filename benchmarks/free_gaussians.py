"""Measure free Gaussians: `python benchmarks/free_gaussians.py FOLDER --held-out EXPRESSION …`.

FOLDER is `results/{subject}` of a run, with frames/, dataset/ and template/; without it a small capture is synthesised.
Every family is learned with the structured Gaussians alone and with each number of free ones that `--free` names (in
multiples of the structured), which are found first, by a rig of free weights. Printed are seconds, and the PSNR in dB
of held-out cameras, of training frames and of held-out expressions, pooled over the pixels of a region: small regions
say nothing in means of images. Mouth and eyes are inside the mesh's openings where these face the camera, `beyond` is
what the matte shows beyond the tracked mesh, skin is the rest.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from harness import Figures, machine, parsed, parser_of
from learned_bench import Bench, forget_peak, mesh_start, now, open_bench, peak_gib, report, synthesized
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.spatial import ConvexHull

from splatrig.components.component_file import Components
from splatrig.components.rig import Rig
from splatrig.config.choices import Role
from splatrig.dataset.photographs import View
from splatrig.evaluation.plan import finding_steps
from splatrig.fitting.compare_view import render_view
from splatrig.gaussians.free import FreeGaussians, Motion
from splatrig.learned.compare import unseen_weights
from splatrig.learned.find_free import find_free
from splatrig.learned.free_start import with_free
from splatrig.learned.mesh_components import read_meshes
from splatrig.learned.plan import learned_plan
from splatrig.learned.stage import as_components, learn, rig_start
from splatrig.mesh.openings import openings
from splatrig.mesh.silhouette import silhouette
from splatrig.rasterize import activate

REGIONS = ("whole", "skin", "mouth", "eyes", "beyond")
GROWN = 1.15
"""By how much the outline of an opening is widened."""
FACING = 0.2
"""Least cosine between an opening's normal and the camera that looks into it."""


def found(bench: Bench, times: float, steps: int | None) -> FreeGaussians:
    """Find free Gaussians, `times` as many as structured ones, and record how long it took."""
    subject, count = bench.subject, round(times * len(bench.subject.neutral))
    options = bench.options_of("global")
    options = type(options)(**vars(options) | {"steps": steps or finding_steps(options.steps)})
    start = rig_start(options, subject, mesh_start(bench, "global"))
    plan = learned_plan(options, bench.render, start, subject.pixel_size)
    forget_peak()
    begin = now()
    free = find_free(start, subject, count, options, plan, bench.seed, bench.device)
    row = {
        "free": count,
        "found": float(len(free)),
        "still": float((free.motions == Motion.STILL).mean()),
        "seconds": now() - begin,
    }
    bench.record("finding", row | peak_gib())
    return free


def rims_of(bench: Bench) -> dict[str, list[NDArray[np.int64]]]:
    """Return the vertices around mouth and eyes: the mouth is the opening nearest to the middle."""
    subject, base = bench.subject, bench.subject.template.base
    meshes = read_meshes(subject.dataset.folder, subject.names("train"), subject.template)
    rims = openings(base.vertices, base.faces, meshes)
    rims.sort(key=lambda rim: abs(float(base.vertices[rim, 0].mean())))
    return {"mouth": rims[:1], "eyes": rims[1:]}


def inside_of(rim: NDArray[np.float64], view: View) -> NDArray[np.bool_]:  # [H, W]
    """Return the pixels inside an opening whose edge is at `rim` [R, 3]; none where it faces away from the camera."""
    viewmat, K = view.viewmats[0].cpu().numpy().astype(float), view.Ks[0].cpu().numpy().astype(float)
    blank = Image.new("1", (view.width, view.height))
    center = rim.mean(axis=0)
    normal = np.linalg.svd(rim - center)[2][2]
    normal *= np.sign(normal[2]) or 1.0  # the face looks along +z
    towards = -viewmat[:3, :3].T @ viewmat[:3, 3] - center
    if normal @ towards > FACING * np.linalg.norm(towards):
        seen = (rim @ viewmat[:3, :3].T + viewmat[:3, 3]) @ K.T
        places = seen[:, :2] / seen[:, 2:]
        places = places.mean(axis=0) + GROWN * (places - places.mean(axis=0))
        ImageDraw.Draw(blank).polygon([tuple(places[i]) for i in ConvexHull(places).vertices], fill=1)
    return np.asarray(blank)


def regions_of(bench: Bench, mesh: NDArray[np.float64], view: View, rims: dict) -> dict[str, torch.Tensor]:
    """Return the pixels of each region of a view of the frame with the tracked `mesh` [V, 3]."""
    matte = view.inside.cpu().numpy()
    viewmat, K = view.viewmats[0].cpu().numpy().astype(float), view.Ks[0].cpu().numpy().astype(float)
    covered = silhouette(mesh, bench.subject.template.base.faces, viewmat, K, view.width, view.height) > 127
    found = {name: np.zeros_like(matte) for name in rims}
    for name, loops in rims.items():
        for loop in loops:
            found[name] |= inside_of(mesh[loop], view) & matte
    beyond = matte & ~covered
    skin = matte & covered & ~found["mouth"] & ~found["eyes"]
    masks = found | {"whole": matte, "skin": skin, "beyond": beyond}
    return {name: torch.as_tensor(masks[name], device=bench.device) for name in REGIONS}


def measured(bench: Bench, components: Components, split: Role, rims: dict) -> dict[str, float]:
    """Return the PSNR in dB by region, pooled over held-out cameras and frames; regions without a pixel are absent."""
    subject, names = bench.subject, bench.subject.names(split)
    weights = components.W if split == "train" else unseen_weights(bench.comparison(), components, names)
    rig = Rig.of(components, subject.neutral).to(bench.device)
    cameras = np.flatnonzero(subject.cameras.held_out)
    meshes = read_meshes(subject.dataset.folder, names, subject.template)
    squares: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    black = torch.zeros(3, device=bench.device)
    with subject.photographs(names, bench.device, cropped=False) as photographs, torch.no_grad():
        for frame, mesh in enumerate(meshes):
            row = torch.as_tensor(np.asarray(weights[frame], dtype=np.float32), device=bench.device)
            posed = activate(rig.pose(row))
            for camera in cameras:
                view = photographs.view((frame, int(camera)))
                rendered, photo = render_view(posed, view, bench.render.measuring, black)
                error = (rendered.clamp(0, 1) - photo).square().mean(dim=-1)
                for name, mask in regions_of(bench, mesh, view, rims).items():
                    squares[name] += float(error[mask].sum())
                    counts[name] += int(mask.sum())
    return {f"psnr_{name}": -10 * float(np.log10(squares[name] / counts[name])) for name in REGIONS if counts[name]}


def compare(bench: Bench, options: argparse.Namespace) -> None:
    """Learn all variants and measure them."""
    subject, rims = bench.subject, rims_of(bench)
    bench.arrived([*subject.names("train"), *subject.names("held_out")])
    sets = {0.0: FreeGaussians.none(len(subject.neutral))}
    sets |= {times: found(bench, times, options.find_steps) for times in options.free}
    for family in options.families:
        settings = bench.options_of(family)
        start = rig_start(settings, subject, mesh_start(bench, family))
        plan = learned_plan(settings, bench.render, start, subject.pixel_size)
        for times, free in sets.items():
            forget_peak()
            begin = time.perf_counter()
            learned = learn(with_free(start, free), subject, settings, plan, bench.seed, bench.device)
            seconds = time.perf_counter() - begin
            rate = settings.steps / max(learned.report.seconds, 1e-9)
            variant = {"family": family, "free": f"{times:g} N"}
            bench.record("cost", variant | {"seconds": seconds, "steps_per_second": rate} | peak_gib())
            components = as_components(learned, subject, settings)
            for split in ("train", "held_out"):
                if subject.names(split):
                    bench.record("pooled", variant | {"split": split} | measured(bench, components, split, rims))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="results/{subject} of a run")
    parser.add_argument("--free", type=float, nargs="*", default=[1.0], help="free Gaussians per structured one")
    parser.add_argument("--families", nargs="+", choices=["global", "local"], default=["global", "local"])
    parser.add_argument("--held-out", nargs="*", default=[], help="expressions that are not learned from")
    parser.add_argument("--config", type=Path, help="a configuration; without it the defaults")
    parser.add_argument("--out", type=Path, help="folder that gets the tables, learned_*.csv")
    parser.add_argument("--keep", type=Path, help="folder of neutral.h5, made there where it is not")
    parser.add_argument("--k", type=int)
    parser.add_argument("--steps", type=int, help="of a learned rig")
    parser.add_argument("--find-steps", type=int, help="in which free Gaussians are found; default: a third of that")
    parser.add_argument("--batch", type=int, help="photographs per step")
    parser.add_argument("--solve-steps", type=int, help="of the weights of an unseen frame")
    parser.set_defaults(fits=None, memory_gib=None, local_lambda=None, neutral_steps=None, fit_steps=None, gpu_gib=None)
    small = {"held_out": ["E002_Moved"], "k": 2, "steps": 3, "find_steps": 14, "solve_steps": 1, "neutral_steps": 4}
    return parsed(parser, **small)


def main() -> None:
    """Make or open the capture, and compare."""
    options = arguments()
    figures = Figures(options, machine("torch", "gsplat", "numba"))
    with tempfile.TemporaryDirectory() as temporary:
        keep, making = options.keep or Path(temporary), None
        if options.folder is None:
            options.folder = keep / "capture"
            making = synthesized("small", 2, options.folder)
        bench = open_bench(options, options.folder, keep, making, figures)
        subject = bench.subject
        report(
            f"{len(subject.neutral)} structured Gaussians, {len(subject.names('train'))} training frames, "
            f"{len(subject.names('held_out'))} held out, {len(subject.cameras)} cameras of "
            f"{subject.cameras.width}×{subject.cameras.height}, {int(subject.cameras.held_out.sum())} held out"
        )
        compare(bench, options)
    figures.save()


if __name__ == "__main__":
    main()
