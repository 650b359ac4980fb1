"""Measure free Gaussians: `python benchmarks/free_gaussians.py FOLDER --held-out EXPRESSION …`.

FOLDER is `results/{subject}` of a run, with frames/, dataset/ and template/; without it a small capture is synthesised.
Every family is learned with the structured Gaussians alone and with each number of free ones that `--free` names (in
multiples of the structured), which are found first, by a rig of free weights. Printed are seconds, and the PSNR in dB
of held-out cameras, of training frames and of held-out expressions, pooled over the pixels of a region: small regions
say nothing in means of images. Mouth and eyes are inside their landmarks (without landmarks/landmarks.csv, inside the
mesh's openings) where these face the camera, `beyond` is what the matte shows beyond the tracked mesh, skin is the
rest. Free Gaussians that were found are kept in `--keep`, and read by later calls.

Where FOLDER has landmarks/gaze.csv, eyes are told apart: `turning` by components of their own, `still` the same rows
without these, `none` as if nothing were known of eyes. `--pictures` shows them where they look farthest aside, up and
down: photograph, then every variant, in the held-out camera that looks most squarely into the face.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
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
from splatrig.gaussians.free import FreeGaussians, Motion, read_free, write_free
from splatrig.landmarks.gaze import read_gaze
from splatrig.landmarks.points import rows_of
from splatrig.landmarks.table import read_landmarks
from splatrig.learned.compare import unseen_weights
from splatrig.learned.eyes import Looking, turning_eyes
from splatrig.learned.find_free import find_free
from splatrig.learned.free_start import with_free
from splatrig.learned.mesh_components import read_meshes
from splatrig.learned.plan import learned_plan
from splatrig.learned.stage import as_components, learn, rig_start
from splatrig.mesh.nearest import Places
from splatrig.mesh.openings import openings
from splatrig.mesh.silhouette import silhouette
from splatrig.rasterize import activate

REGIONS = ("whole", "skin", "mouth", "eyes", "beyond")
GROWN = 1.15
"""By how much the outline of an opening is widened."""
ABOUT_EYES_MM = 60.0
"""Pictures of eyes reach so far to each side of the middle between them."""
FACING = 0.2
"""Least cosine between an opening's normal and the camera that looks into it."""


EYES = ("none", "still", "turning")
"""What learned rigs know of eyes."""


def looking_of(bench: Bench) -> Looking | None:
    """Return where the eyes of the training frames look; None where the capture has no table of gaze."""
    subject, table = bench.subject, bench.folder / "landmarks" / "gaze.csv"
    if not table.exists():
        return None
    return Looking.of(read_gaze(table), subject.names("train"), subject.neutral_name)


def found(bench: Bench, times: float, steps: int | None, looking: Looking | None) -> FreeGaussians:
    """Find free Gaussians, `times` as many as structured ones, and record how long it took, unless they are kept."""
    path = bench.keep / f"free_{times:g}_{'none' if looking is None else 'eyes'}.h5"
    if path.exists():
        return read_free(path)
    subject, count = bench.subject, round(times * len(bench.subject.neutral))
    options = bench.options_of("global")
    options = type(options)(**vars(options) | {"steps": steps or finding_steps(options.steps)})
    start = rig_start(options, subject, mesh_start(bench, "global"))
    plan = learned_plan(options, bench.render, start, subject.pixel_size)
    forget_peak()
    begin = now()
    free = find_free(start, subject, count, options, plan, bench.seed, bench.device, looking=looking)
    row = {"free": count, "found": float(len(free)), "seconds": now() - begin}
    row |= {motion.name.lower(): float((free.motions == motion).mean()) for motion in Motion}
    bench.record("finding", row | peak_gib())
    write_free(path, free)
    return free


Rim = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From a tracked mesh [V, 3] to the places [R, 3] around an opening in its pose."""


def rims_of(bench: Bench) -> dict[str, list[Rim]]:
    """Return the edges of mouth and eyes: by landmarks, where FOLDER has them.

    Else they are the openings of the mesh, the mouth that nearest to the middle.
    """
    subject, base, table = bench.subject, bench.subject.template.base, bench.folder / "landmarks" / "landmarks.csv"
    if table.exists():
        landmarks = read_landmarks(table, len(base.faces))

        def rim(region: str) -> Rim:
            rows = rows_of(region)
            rows = rows[landmarks.found[rows]]
            places = Places(landmarks.triangles[rows], landmarks.barycentric[rows])
            return lambda mesh: places.on(mesh, base.faces)

        return {"mouth": [rim("lips")], "eyes": [rim("left eye"), rim("right eye")]}
    meshes = read_meshes(subject.dataset.folder, subject.names("train"), subject.template)
    loops = openings(base.vertices, base.faces, meshes)
    loops.sort(key=lambda loop: abs(float(base.vertices[loop, 0].mean())))
    rims: list[Rim] = [lambda mesh, loop=loop: mesh[loop] for loop in loops]  # type: ignore[misc]
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
            found[name] |= inside_of(loop(mesh), view) & matte
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
    looking = looking_of(bench)
    sets = {(0.0, "none"): FreeGaussians.none(len(subject.neutral))} if options.structured else {}
    for times in options.free:
        if "none" in options.eyes or looking is None:
            sets[times, "none"] = found(bench, times, options.find_steps, None)
        if looking is not None and set(options.eyes) - {"none"}:
            with_eyes = found(bench, times, options.find_steps, looking)
            sets |= {(times, name): with_eyes for name in options.eyes if name != "none"}
    for family in options.families:
        settings = bench.options_of(family)
        start = rig_start(settings, subject, mesh_start(bench, family))
        plan = learned_plan(settings, bench.render, start, subject.pixel_size)
        shown = {}
        for (times, eyes), free in sets.items():
            forget_peak()
            begin = time.perf_counter()
            whole = turning_eyes(with_free(start, free), free, looking if eyes == "turning" else None)
            learned = learn(whole, subject, settings, plan, bench.seed, bench.device)
            seconds = time.perf_counter() - begin
            rate = settings.steps / max(learned.report.seconds, 1e-9)
            variant = {"family": family, "free": f"{times:g} N", "eyes": eyes}
            bench.record("cost", variant | {"seconds": seconds, "steps_per_second": rate} | peak_gib())
            components = as_components(learned, subject, settings)
            shown[f"{times:g} N, eyes {eyes}"] = components
            for split in ("train", "held_out"):
                if subject.names(split):
                    bench.record("pooled", variant | {"split": split} | measured(bench, components, split, rims))
        if options.pictures is not None and looking is not None:
            options.pictures.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pictured(bench, shown, looking)).save(options.pictures / f"eyes_{family}.png")


def pictured(bench: Bench, rigs: dict[str, Components], looking: Looking) -> NDArray[np.uint8]:
    """Return a row for each of the frames with the most gaze: photograph, then each rig, the eyes enlarged."""
    subject, names = bench.subject, bench.subject.names("train")
    angles = np.stack([looking.aside_deg, -looking.aside_deg, looking.up_deg, -looking.up_deg]).mean(axis=2)
    frames = [int(row.argmax()) for row in angles]
    held_out = np.flatnonzero(subject.cameras.held_out)
    head_centers = subject.dataset.frame(names[0]).cameras.centers[held_out] - looking.centers.mean(axis=0)
    camera = int(held_out[(head_centers[:, 2] / np.linalg.norm(head_centers, axis=1)).argmax()])
    posed = [Rig.of(parts, subject.neutral).to(bench.device) for parts in rigs.values()]
    black, rows = torch.zeros(3, device=bench.device), []
    with subject.photographs(names, bench.device, cropped=False) as photographs, torch.no_grad():
        for frame in frames:
            view = photographs.view((frame, camera))
            shown = []
            for rig, parts in zip(posed, rigs.values(), strict=True):
                weights = torch.as_tensor(parts.W[frame], device=bench.device)
                rendered, photo = render_view(activate(rig.pose(weights)), view, bench.render.measuring, black)
                shown = shown or [photo]
                shown.append(rendered)
            viewmat, K = view.viewmats[0].cpu().numpy(), view.Ks[0].cpu().numpy()
            seen = (looking.centers @ viewmat[:3, :3].T + viewmat[:3, 3]) @ K.T
            middle = (seen[:, :2] / seen[:, 2:]).mean(axis=0)
            wide = K[0, 0] * ABOUT_EYES_MM / seen[:, 2].mean()
            rows.append(np.concatenate([cut_out(image, middle, wide) for image in shown], axis=1))
    sheet = np.concatenate([row[: min(map(len, rows)), : min(row.shape[1] for row in rows)] for row in rows])
    return (255 * sheet + 0.5).astype(np.uint8).repeat(3, axis=0).repeat(3, axis=1)


def cut_out(image: torch.Tensor, middle: NDArray[np.float64], wide: float) -> NDArray[np.float32]:
    """Return the pixels of an image [H, W, 3] about a place, so much to each side, half as much up and down."""
    (column, row), half = middle.round().astype(int), round(wide)
    padded = torch.nn.functional.pad(image, (0, 0, half, half, half, half))
    cut = padded[row + half - half // 2 : row + half + half // 2, column : column + 2 * half]
    return cut.clamp(0, 1).cpu().numpy()


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="results/{subject} of a run")
    parser.add_argument("--free", type=float, nargs="*", default=[1.0], help="free Gaussians per structured one")
    parser.add_argument("--eyes", nargs="+", choices=EYES, default=list(EYES), help="what is known of eyes")
    parser.add_argument(
        "--structured", action=argparse.BooleanOptionalAction, default=True, help="also without free ones"
    )
    parser.add_argument("--pictures", type=Path, help="folder that gets eyes_{family}.png")
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
