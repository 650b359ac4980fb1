"""Measure the web head of a finished run in a headless Chromium: `python benchmarks/control/web_head.py results/demo`.

Prints a table: seconds to open; frames a second while the tour of all expressions plays, in software WebGL
(SwiftShader), which says little about a GPU; drags, how long they take and how near they come; PSNR inside the
silhouette of the page's pictures against the rasterizer's, at rest and in every expression, from the held-out cameras;
PSNR against the photographs of these, inside their mattes, of the head and of what the page makes of it.
`--smallest` measures the page of a small ball.
"""

import base64
import io
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import lsq_linear

from splatrig.animation.render import render
from splatrig.components.weights import positions
from splatrig.control.head import Head, open_head
from splatrig.control.web.measure import INSIDE, expression_poses, psnr
from splatrig.control.web.pack import pack_head
from splatrig.dataset.cameras import Cameras, read_cameras
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.frames import names_of, read_frames
from splatrig.dataset.photographs import Photographs
from splatrig.dataset.pose import read_pose
from splatrig.fitting.compare_view import render_view
from splatrig.fitting.recipe import render_options
from splatrig.gaussians.store import read_fitted_frames
from splatrig.gaussians.tensors import on_device
from splatrig.rasterize import activate
from support.ball_head import ball, front_cameras, write_page
from support.browser import chromium
from support.harness import Figures, machine, need_browser, need_package, parsed, parser_of

SNAPSHOT = """async ([pose, name, width, height]) => {
    const head = window.splatrig;
    head.pose(pose);
    head.view.choose(name);
    head.resize(width, height, 1);
    head.setBackground(0);
    return head.snapshot();
}"""
PLAY = """async ([width, height, seconds]) => {
    const head = window.splatrig;
    head.view.front();
    head.resize(width, height, 1);
    head.player.choose(0);
    await head.settled();
    head.player.play();
    const [begun, before] = [performance.now(), head.framesDrawn()];
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    const rate = (head.framesDrawn() - before) / ((performance.now() - begun) / 1000);
    head.player.stop();
    return rate;
}"""
DRAGS = """([family, millimeters, count]) => {
    const head = window.splatrig;
    document.getElementById("drag-with").value = family;
    head.pose({});
    head.view.front();
    head.resize(800, 800, 1);
    head.view.resize(800, 800);
    const rows = [];
    for (let step = 0; step < 400; step += 400 / count) {
        const found = head.drag.find(240 + 16 * (step % 20), 160 + 24 * Math.floor(step / 20));
        if (!found) continue;
        head.pose({});
        const pressed = performance.now();
        head.drag.hold(found);
        const hold_ms = performance.now() - pressed;
        const from = head.drag.held.from;
        const by = [millimeters * Math.cos(step), millimeters * Math.sin(step), 0];
        const begun = performance.now();
        head.drag.solve(from.map((value, axis) => value + by[axis]));
        const solve_ms = performance.now() - begun;
        const moved = head.rig.pointAt(found).map((value, axis) => value - from[axis]);
        rows.push({ hold_ms, solve_ms, by, moved, vertices: found.vertices, mix: found.mix });
        head.drag.release();
    }
    head.pose({});
    return rows;
}"""
REACHED = 0.01
"""A point can be taken to a place when the best weights within their bounds miss it by less than this share."""
FOLLOWED = 0.05


def decoded(url: str) -> NDArray[np.float64]:
    """Return the picture of a PNG data URL in [0, 1]."""
    with Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))) as image:
        return np.asarray(image.convert("RGB"), dtype=np.float64) / 255


@dataclass(frozen=True)
class Subject:
    """A page, the head that it shows, and the held-out cameras in head space."""

    page: Path
    head: Head
    cameras: Cameras
    pixel_mm: float
    """What a pixel of the photographs spans."""


def finished(results: Path) -> Subject:
    """Return the subject of a finished run."""
    numbers = json.loads((results / "control" / "head.json").read_text())
    fitted = read_fitted_frames(results / "gaussians" / "neutral.h5")
    frame = fitted.frames[0]
    pose = read_pose(results / "dataset" / fitted.expression / frame / f"{frame}_transform.txt")
    cameras = read_cameras(results / "dataset" / "cameras.json").in_head_space(pose)
    head = open_head(results, numbers["families"])
    pixel_mm = cameras.pixel_size(head.base.means.mean(axis=0))
    return Subject(results / "control" / "head.html", head, cameras.select(cameras.held_out), pixel_mm)


def small_ball(folder: Path) -> Subject:
    """Write the page of a small ball and return it."""
    head, cameras, page = ball(300, 4, size=0.5), front_cameras(48, 64), folder / "head.html"
    write_page(page, head, cameras)
    return Subject(page, head, cameras, cameras.pixel_size(np.zeros(3)))


def fidelity(page: object, head: Head, cameras: Cameras) -> list[float]:
    """Return the PSNR of every picture."""
    values = []
    for pose in expression_poses(head):
        listed = {name: weights.tolist() for name, weights in pose.items()}
        for number, name in enumerate(cameras.names):
            expected, alpha = render(head.gaussians(pose), cameras.select([number]))
            inside = alpha[0, ..., 0] >= INSIDE
            seen = decoded(page.evaluate(SNAPSHOT, [listed, name, cameras.width, cameras.height]))
            values.append(psnr(float(((seen - expected[0])[inside] ** 2).mean())))
    return values


def against_photographs(results: Path, subject: Subject, figures: Figures) -> None:
    """Measure the head and its packed form against all photographs of held-out cameras, with each family's weights."""
    dataset = Dataset.open(results / "dataset" / "cameras.json", None)
    forms = (subject.head, pack_head(subject.head, subject.pixel_mm))
    names = names_of(read_frames(results / "frames.csv"), "train")
    device, black, options = torch.device("cpu"), torch.zeros(3), render_options("masks", 3, "auto").measuring
    cameras = np.flatnonzero(dataset.cameras.held_out)
    for family, made in subject.head.families.items():
        squares, count = np.zeros(2), 0
        with Photographs(dataset.frames(names), device, cropped=False, workers=1) as photographs, torch.no_grad():
            for frame, weights in enumerate(made.rig.components.W):
                shown = [activate(on_device(form.gaussians({family: weights}), device)) for form in forms]
                for camera in cameras:
                    view = photographs.view((frame, int(camera)))
                    pairs = [render_view(splats, view, options, black) for splats in shown]
                    errors = [(seen.clamp(0, 1) - photo).square().mean(dim=-1)[view.inside] for seen, photo in pairs]
                    squares += [float(error.sum()) for error in errors]
                    count += len(errors[0])
        for form, total in zip(("unquantized", "packed"), squares, strict=True):
            figures.add(f"{family} against photographs, {form}: PSNR", psnr(total / count), "dB")


def drags(page: object, head: Head, family: str, count: int, figures: Figures) -> None:
    """Measure drags of 2 mm from `count` places of a grid, with one family or all: time, and how near they come."""
    done = page.evaluate(DRAGS, [family, 2.0, count])
    chosen = list(head.families) if family == "all" else [family]
    moves = np.concatenate([positions(head.families[name].rig.components) for name in chosen])
    owners = np.concatenate([[name] * panel.count for name, panel in head.panels.items()])
    low, high = np.array(page.evaluate("splatrig.drag.limits"))[np.isin(owners, chosen)].T
    missed, best = [], []
    for row in done:
        jacobian = np.einsum("c,kcx->xk", row["mix"], moves[:, row["vertices"]]).astype(np.float64)
        usual = high - low
        found = lsq_linear(
            jacobian * usual, row["by"], bounds=(low / usual - 1e-12, high / usual + 1e-12), method="bvls"
        )
        best.append(np.linalg.norm(found.fun) / np.linalg.norm(row["by"]))
        missed.append(np.linalg.norm(np.subtract(row["moved"], row["by"])) / np.linalg.norm(row["by"]))
    reached, times = np.array(best) < REACHED, [row["solve_ms"] for row in done]
    what = f"drags of 2 mm with {family}"
    figures.add(f"{what}: points", len(done), "")
    figures.add(f"{what}: to take hold of a point, median", np.median([row["hold_ms"] for row in done]), "ms")
    figures.add(f"{what}: a solve, median", np.median(times), "ms")
    figures.add(f"{what}: a solve, slowest", max(times), "ms")
    figures.add(f"{what}: points that can be taken to their target", reached.mean(), "fraction")
    if reached.any():
        followed = np.array(missed)[reached]
        figures.add(f"{what}: of these, points within 5 % of it", (followed < FOLLOWED).mean(), "fraction")
        figures.add(f"{what}: of these, median miss", np.median(followed), "fraction")


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("results", type=Path, nargs="?", help="of a finished run, results/{subject}")
    parser.add_argument("--seconds", type=float, default=10.0, help="of playing, at each size")
    parser.add_argument("--sides", type=int, nargs="*", default=[400, 800], help="of the square picture, pixels")
    parser.add_argument("--places", type=int, default=400, help="of the picture where drags begin, a divisor of 400")
    parser.add_argument("--screenshots", type=Path)
    parser.add_argument("--drags", action="store_true", help="measure nothing but drags")
    options = parsed(parser, seconds=0.5, sides=[64], places=40)
    if options.results is None and not options.smallest:
        parser.error("give results/{subject} of a finished run, or --smallest")
    need_package("playwright")
    need_browser()
    figures = Figures(options, machine("playwright"))
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        subject = finished(options.results) if options.results else small_ball(Path(folder))
        page = browser.new_page(viewport={"width": 1280, "height": 860}, offline=True)
        page.set_default_timeout(120_000)
        begun = time.monotonic()
        page.goto(subject.page.resolve().as_uri())
        page.wait_for_selector("body[data-state=ready], body[data-state=failed]")
        figures.say(f"Chromium {browser.version}, SwiftShader")
        figures.add("opened and drawn", time.monotonic() - begun, "s")
        figures.add("size of the page", subject.page.stat().st_size / 1e6, "MB")
        for side in () if options.drags else options.sides:
            figures.add(f"playing at {side}×{side}", page.evaluate(PLAY, [side, side, options.seconds]), "frames/s")
        for family in (*subject.head.families, "all"):
            drags(page, subject.head, family, options.places, figures)
        if not options.drags:
            values = fidelity(page, subject.head, subject.cameras)
            what = f"page against rasterizer, {subject.cameras.width}×{subject.cameras.height}"
            figures.add(f"{what}: pictures", len(values), "")
            figures.add(f"{what}: worst PSNR", min(values), "dB")
            figures.add(f"{what}: median PSNR", statistics.median(values), "dB")
        if options.results and not options.drags:
            against_photographs(options.results, subject, figures)
        if options.screenshots:
            options.screenshots.mkdir(parents=True, exist_ok=True)
            page.evaluate("() => { splatrig.pose({}); splatrig.view.front(); splatrig.resize(860, 860, 1); }")
            page.evaluate("() => splatrig.settled()")
            page.screenshot(path=options.screenshots / "rest.png")
    figures.save()


if __name__ == "__main__":
    main()
