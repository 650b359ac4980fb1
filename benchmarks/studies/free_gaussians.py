"""Measure free Gaussians: `python benchmarks/studies/free_gaussians.py FOLDER --held-out EXPRESSION …`.

FOLDER is `results/{subject}` of a run, with frames/, dataset/ and template/; without it a small capture is synthesized.
Every family is learned with the structured Gaussians alone, with each number of free ones that `--free` names (in
multiples of the structured), which are found first, by a rig of free weights, and, with `--third-subdivision`, with the
structured Gaussians of one subdivision more: capacity alone. Printed are seconds, and the PSNR in dB of held-out
cameras, of training frames and of held-out expressions, pooled over the pixels of a region: small regions say nothing
in means of images. Regions are those of FOLDER/regions, or made from the labels of the raw capture (`--capture`), from
landmarks or from the openings of the mesh. With several `--seeds`, the median over them is printed, and the spread.
`--images` gets comparisons to look at.

With `--single-fits`, frames are also fitted one by one with and without the free Gaussians (`single_fits.py`).

Where FOLDER has landmarks/gaze.csv, `--eyes` says what rigs make of it: they have components that turn the eyeballs
(`turning`), the same rows without these (`still`), or nothing is known of eyes (`none`).
"""

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from single_fits import compare_single_fits

from splatrig.animation.pictures import Picture, contact_sheet, enlarge, write_png
from splatrig.animation.render import to_bytes
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.regions import labels_of, no_labels, write_regions
from splatrig.components.component_file import Components
from splatrig.components.rig import Rig
from splatrig.config.choices import LearnedFamily, Role
from splatrig.config.names import LEVEL_NAMES
from splatrig.dataset.regions import REGION_COLUMNS, REGIONS, Region, RegionFolder
from splatrig.evaluation.plan import finding_steps
from splatrig.evaluation.regions import decibels
from splatrig.fitting.compare_view import render_view
from splatrig.fitting.region_errors import region_errors
from splatrig.gaussians.free import FreeGaussians, Motion
from splatrig.gaussians.store import read_fitted_frames, write_fitted_frames
from splatrig.io.files import atomic_directory
from splatrig.landmarks.gaze import read_gaze
from splatrig.landmarks.rims import Rims, find_rims
from splatrig.landmarks.table import no_landmarks, read_landmarks
from splatrig.learned.compare import Posing, unseen
from splatrig.learned.eyes import Looking, turning_eyes
from splatrig.learned.find_free import find_free
from splatrig.learned.free_start import with_free
from splatrig.learned.plan import learned_plan
from splatrig.learned.stage import as_components, learn, rig_start
from splatrig.mesh.mask import refine_mask
from splatrig.mesh.subdivision import subdivide
from splatrig.mesh.template import Level, Template
from splatrig.rasterize import activate
from support.harness import Figures, machine, parsed, parser_of
from support.learned_bench import (
    Bench,
    as_store,
    context_of,
    fit_first,
    forget_peak,
    mesh_start,
    now,
    open_bench,
    peak_gib,
    report,
    synthesized,
)

STRUCTURED, FINER = "structured", "one subdivision more"
EYES = ("none", "still", "turning")
CROP_MARGIN = 0.6
"""Added around mouth and eyes in enlarged pictures, as a fraction of their size."""
CROP_SHAPE = 0.55
"""Height of these pictures, relative to their width."""
SHOWN_HEIGHT, TITLE_WIDTH = 384, 70
"""Pixels."""
BICUBIC = Image.Resampling.BICUBIC


@dataclass(frozen=True)
class Variant:
    """One rig of a comparison."""

    name: str
    bench: Bench
    """With the subject at the subdivision of this variant."""
    starts: Mapping[str, Components]
    """By family the components of the tracked meshes that its rig starts from."""
    free: FreeGaussians
    looking: Looking | None = None
    """Where the eyes look that components turn; None: none do."""


@dataclass
class Shown:
    """What is shown of each frame, in the first held-out camera."""

    frames: tuple[str, ...]
    """`expression/frame`."""
    columns: dict[str, dict[str, Picture]] = field(default_factory=dict)
    """By frame, the photograph and every variant's rendering by name."""


def looking_of(bench: Bench) -> Looking | None:
    """Return where the eyes of the training frames look; None where the capture has no table of gaze."""
    subject, table = bench.subject, bench.folder / "landmarks" / "gaze.csv"
    if not table.exists():
        return None
    return Looking.of(read_gaze(table), subject.names("train"), subject.neutral_name)


def find(
    bench: Bench, start: Components, times: float, steps: int | None, looking: Looking | None = None
) -> FreeGaussians:
    """Find free Gaussians, `times` as many as structured ones, and record how long it took."""
    subject, count = bench.subject, round(times * len(bench.subject.neutral))
    options = bench.options_of("global")
    options = replace(options, steps=steps or finding_steps(options.steps))
    rig = rig_start(options, subject, start)
    plan = learned_plan(options, bench.render, rig, subject.pixel_size)
    forget_peak()
    begin = now()
    free = find_free(rig, subject, count, options, plan, bench.seed, bench.device, looking=looking, rims=rims_of(bench))
    row = {"free": count, "eyes": looking is not None, "seed": bench.seed, "found": float(len(free))}
    motions = {motion.name.lower(): float((free.motions == motion).mean()) for motion in Motion}
    bench.record("finding", row | {"seconds": now() - begin} | motions | peak_gib())
    return free


def subdivided(template: Template) -> Template:
    """Return a template with one level more."""
    finest = template.finest_level
    made = subdivide(finest.faces, len(finest.vertices))
    vertices, mask = made.step @ finest.vertices, refine_mask(finest.mask, made.step)
    level = Level(vertices, made.faces, made.step, mask, finest.marks)
    return Template(template.levels | {LEVEL_NAMES[len(template.levels)]: level})


def finer(bench: Bench) -> Bench:
    """Return the bench at one subdivision more, its neutral fitted there unless an earlier call kept it."""
    subject, path = bench.subject, bench.keep / "neutral_finer.h5"
    template = subdivided(subject.template)
    if not path.exists():
        steps, name = bench.config.fitting.neutral_steps, subject.neutral_name
        context = replace(context_of(bench.folder, bench.config, bench.device, steps), template=template)
        expression, frame = name.split("/")
        write_fitted_frames(path, as_store(expression, {frame: fit_first(context, name)}))
    neutral = read_fitted_frames(path).gaussians[0]
    return replace(bench, subject=replace(subject, template=template, neutral=neutral))


def rims_of(bench: Bench) -> Rims:
    """Return the rims of mouth and eyes, by landmarks where the capture has them."""
    base, table = bench.subject.template.base, bench.folder / "landmarks" / "landmarks.csv"
    landmarks = read_landmarks(table, len(base.faces)) if table.is_file() else no_landmarks()
    return find_rims(base.vertices, base.faces, landmarks)


def regions_of(bench: Bench, capture: Path | None) -> RegionFolder:
    """Return the regions of the photographs in held-out cameras: those of the run, or made now."""
    if (bench.folder / "regions").is_dir():
        return RegionFolder(bench.folder / "regions")
    folder, subject = bench.keep / "regions", bench.subject
    if not folder.is_dir():
        layout = CaptureLayout(capture or bench.folder / "raw")
        labeled, cameras = (layout.root / "labels").is_dir(), subject.cameras.measuring
        with atomic_directory(folder) as target:
            write_regions(
                RegionFolder(target),
                replace(subject.dataset, cameras=cameras),
                [*subject.names("train"), *subject.names("held_out")],
                subject.template,
                rims_of(bench),
                labels_of(layout, cameras) if labeled else no_labels,
                labeled=labeled,
            )
    return RegionFolder(folder)


def measured(
    variant: Variant, components: Components, split: Role, regions: RegionFolder, shown: Shown | None
) -> dict[str, float]:
    """Return the PSNR in dB by region, pooled over held-out cameras and frames; regions without a pixel are absent.

    Renderings of the frames to be shown are kept.
    """
    bench = variant.bench
    subject, names = bench.subject, bench.subject.names(split)
    posing = Posing.learned(components) if split == "train" else unseen(bench.comparison(), components, names)
    rig = Rig.of(components, subject.neutral).to(bench.device)
    cameras = np.flatnonzero(subject.cameras.held_out)
    sums = np.zeros(len(REGION_COLUMNS))
    black = torch.zeros(3, device=bench.device)
    corrected = subject.corrected(posing.motions)
    with corrected.photographs(names, bench.device, cropped=False) as photographs, torch.no_grad():
        for frame, name in enumerate(names):
            row = torch.as_tensor(np.asarray(posing.weights[frame], dtype=np.float32), device=bench.device)
            posed = activate(rig.pose(row))
            for camera in cameras:
                view = photographs.view((frame, int(camera)))
                pair = render_view(posed, view, bench.render.measuring, black)
                rendered, photographed = (image.clamp(0, 1).cpu().numpy() for image in pair)
                flags = regions.read(name, view.camera, view.width, view.height)
                sums += np.nan_to_num(region_errors(rendered, photographed, flags))
                if shown is not None and camera == cameras[0] and name in shown.frames:
                    columns = shown.columns.setdefault(name, {"photograph": to_bytes(photographed)})
                    columns[variant.name] = to_bytes(rendered)
    pooled = dict(zip(REGIONS, sums.reshape(-1, 2).tolist(), strict=True))
    return {f"psnr_{name}": decibels(squares, pixels) for name, (squares, pixels) in pooled.items() if pixels}


def learned(variant: Variant, family: LearnedFamily) -> Components:
    """Learn the rig of a variant, and record what it costs."""
    bench = variant.bench
    subject, options = bench.subject, bench.options_of(family)
    start = with_free(rig_start(options, subject, variant.starts[family]), variant.free)
    start = turning_eyes(start, variant.free, variant.looking)
    plan = learned_plan(options, bench.render, start, subject.pixel_size)
    forget_peak()
    begin = time.perf_counter()
    made = learn(start, subject, options, plan, bench.seed, bench.device)
    cost = {"seconds": time.perf_counter() - begin, "gaussians": float(len(made.rig))}
    rate = options.steps / max(made.report.seconds, 1e-9)
    row = {"family": family, "variant": variant.name, "seed": bench.seed}
    bench.record("cost", row | cost | {"steps_per_second": rate} | peak_gib())
    return as_components(made, subject, options)


def structured_variants(bench: Bench, options: argparse.Namespace) -> list[Variant]:
    """Return what has structured Gaussians alone."""
    benches = {STRUCTURED: bench} | ({FINER: finer(bench)} if options.third_subdivision else {})
    return [
        Variant(
            name,
            each,
            {family: mesh_start(each, family) for family in dict.fromkeys(("global", *options.families))},
            FreeGaussians.none(len(each.subject.neutral)),
        )
        for name, each in benches.items()
    ]


def with_seed(structured: Sequence[Variant], seed: int, options: argparse.Namespace) -> list[Variant]:
    """Return all that is compared for a seed: what is structured, and the first of it with free Gaussians."""
    seeded = [replace(each, bench=replace(each.bench, seed=seed)) for each in structured]
    first = seeded[0]
    looking = looking_of(first.bench)
    for times in options.free:
        found = {
            known: find(first.bench, first.starts["global"], times, options.find_steps, looking if known else None)
            for known in dict.fromkeys(looking is not None and eyes != "none" for eyes in options.eyes)
        }
        if options.single_fits:
            compare_single_fits(first.bench, next(iter(found.values())), options.single_fits)
        for eyes in options.eyes if looking is not None else ["none"]:
            name, turned = f"{times:g} N free", looking if eyes == "turning" else None
            name += "" if looking is None else f", eyes {eyes}"
            seeded.append(replace(first, name=name, free=found[eyes != "none"], looking=turned))
    return seeded


def compare(bench: Bench, options: argparse.Namespace) -> None:
    """Learn all variants and measure them; print medians over seeds, and keep pictures of the first."""
    names = [*bench.subject.names("train"), *bench.subject.names("held_out")]
    bench.arrived(names)
    regions = regions_of(bench, options.capture)
    structured = structured_variants(bench, options)
    found: dict[tuple[str, str, Role], list[dict[str, float]]] = {}
    shown = {family: Shown(tuple(options.shown or bench.subject.names("held_out")[-1:])) for family in options.families}
    for seed in options.seeds:
        for variant in with_seed(structured, seed, options):
            for family in options.families:
                components, pictures = learned(variant, family), shown[family] if options.images else None
                for split in ("train", "held_out"):
                    if bench.subject.names(split):
                        first = pictures if seed == options.seeds[0] else None
                        row = measured(variant, components, split, regions, first)
                        told = {"family": family, "variant": variant.name, "split": split}
                        bench.record("pooled", told | {"seed": seed} | row)
                        found.setdefault((family, variant.name, split), []).append(row)
    if len(options.seeds) > 1:
        record_seeds(bench, found)
    for family, pictures in shown.items():
        for name, columns in pictures.columns.items():
            first = bench.subject.cameras.names[int(np.argmax(bench.subject.cameras.held_out))]
            flags = regions.read(name, first, bench.subject.cameras.width, bench.subject.cameras.height)
            write_png(options.images / f"{family}_{name.replace('/', '_')}.png", comparison_sheet(columns, flags))


def record_seeds(bench: Bench, found: Mapping[tuple[str, str, Role], Sequence[Mapping[str, float]]]) -> None:
    """Record the median over seeds of each region's PSNR, and how far the seeds are apart."""
    for (family, variant, split), rows in found.items():
        told = {"family": family, "variant": variant, "split": split}
        values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        spread = {name.replace("psnr", "spread"): float(np.ptp(own)) for name, own in values.items()}
        bench.record("seeds", told | {name: float(np.median(own)) for name, own in values.items()} | spread)


def comparison_sheet(columns: Mapping[str, Picture], flags: NDArray[np.uint8]) -> Picture:
    """Return photograph and renderings side by side; below them mouth and eyes enlarged, where the camera sees them."""
    whole = [enlarge(picture, max(SHOWN_HEIGHT, len(flags))) for picture in columns.values()]
    sheets = [contact_sheet([whole], row_titles=[""], column_titles=list(columns), title_width=TITLE_WIDTH)]
    width = whole[0].shape[1]
    size = width, round(CROP_SHAPE * width)
    for region in (Region.MOUTH, Region.EYES):
        inside = (flags & int(region)) > 0
        if inside.any():
            box = crop_of(inside)
            name = str(region.name).lower()
            row = [np.asarray(Image.fromarray(picture).resize(size, BICUBIC, box)) for picture in columns.values()]
            sheets.append(contact_sheet([row], row_titles=[name], title_width=TITLE_WIDTH))
    return np.concatenate(sheets)


def crop_of(inside: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a crop of `CROP_SHAPE` around the pixels, within the image."""
    rows, columns = np.nonzero(inside)
    width = (1.0 + CROP_MARGIN) * max(np.ptp(columns) + 1, (np.ptp(rows) + 1) / CROP_SHAPE)
    width = min(width, inside.shape[1], inside.shape[0] / CROP_SHAPE)
    size = np.array([width, CROP_SHAPE * width])
    middle = np.array([columns.min() + columns.max() + 1, rows.min() + rows.max() + 1]) / 2
    low = np.clip(middle - size / 2, 0.0, np.array(inside.shape[::-1]) - size)
    return (*low.tolist(), *(low + size).tolist())


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="results/{subject} of a run")
    parser.add_argument("--free", type=float, nargs="*", default=[1.0], help="free Gaussians per structured one")
    parser.add_argument("--eyes", nargs="+", choices=EYES, default=["none", "turning"], help="what is known of eyes")
    parser.add_argument("--third-subdivision", action="store_true", help="structured Gaussians of one more level, too")
    parser.add_argument("--single-fits", type=int, default=0, metavar="N", help="fit N frames with and without")
    parser.add_argument("--families", nargs="*", choices=["global", "local"], default=["global", "local"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--held-out", nargs="*", default=[], help="expressions that are not learned from")
    parser.add_argument("--config", type=Path, help="a configuration; without it the defaults")
    parser.add_argument("--capture", type=Path, help="the raw capture, whose labels tell regions; default: FOLDER/raw")
    parser.add_argument("--out", type=Path, help="folder that gets the tables, learned_*.csv")
    parser.add_argument("--images", type=Path, help="folder that gets comparisons to look at")
    parser.add_argument("--shown", nargs="+", metavar="EXPRESSION/FRAME", help="in them; default: the last held out")
    parser.add_argument("--keep", type=Path, help="folder of neutral.h5, made there where it is not")
    parser.add_argument("--k", type=int)
    parser.add_argument("--steps", type=int, help="of a learned rig")
    parser.add_argument("--find-steps", type=int, help="in which free Gaussians are found; default: a third of that")
    parser.add_argument("--batch", type=int, help="photographs per step")
    parser.add_argument("--solve-steps", type=int, help="of the weights of an unseen frame")
    parser.add_argument("--neutral-steps", type=int, help="of the neutral's fits")
    parser.set_defaults(fits=None, memory_gib=None, local_lambda=None, fit_steps=None, gpu_gib=None)
    small = {"held_out": ["E002_Moved"], "k": 2, "steps": 3, "find_steps": 14, "solve_steps": 1, "neutral_steps": 4}
    return parsed(parser, **small, third_subdivision=True, seeds=[0, 1], families=["local"], single_fits=1)


def main() -> None:
    """Make or open the capture, and compare."""
    options = arguments()
    figures = Figures(options, machine("torch", "gsplat", "numba"))
    with tempfile.TemporaryDirectory() as temporary:
        keep, making = options.keep or Path(temporary), None
        if options.smallest and options.images is None:
            options.images = Path(temporary) / "images"
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
