"""Measure the web head of a finished run in a headless Chromium: `python benchmarks/web_head.py results/demo`.

Prints a table: seconds to open; frames a second while the tour of all expressions plays, in software WebGL
(SwiftShader), which says little about a GPU; drags, how long they take and how near they come; PSNR inside the
silhouette of the page's pictures against the rasteriser's, at rest and in every expression, from the held-out cameras.
"""

import argparse
import base64
import io
import json
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "lib"), str(ROOT / "tests")]

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402
from scipy.optimize import lsq_linear  # noqa: E402

from splatrig.animation.render import render  # noqa: E402
from splatrig.control.fit import positions  # noqa: E402
from splatrig.control.head import Head, open_head  # noqa: E402
from splatrig.control.web.measure import INSIDE, expression_poses, psnr  # noqa: E402
from splatrig.dataset.cameras import Cameras, read_cameras  # noqa: E402
from splatrig.dataset.pose import read_pose  # noqa: E402
from splatrig.gaussians.store import read_fitted_frames  # noqa: E402
from support.browser import chromium  # noqa: E402

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
DRAGS = """([family, millimetres]) => {
    const head = window.splatrig;
    document.getElementById("drag-with").value = family;
    head.pose({});
    head.view.front();
    head.resize(800, 800, 1);
    head.view.resize(800, 800);
    const rows = [];
    for (let step = 0; step < 400; step++) {
        const found = head.drag.find(240 + 16 * (step % 20), 160 + 24 * Math.floor(step / 20));
        if (!found) continue;
        head.pose({});
        head.drag.hold(found);
        const from = head.drag.held.from;
        const by = [millimetres * Math.cos(step), millimetres * Math.sin(step), 0];
        const begun = performance.now();
        head.drag.solve(from.map((value, axis) => value + by[axis]));
        const solve_ms = performance.now() - begun;
        const moved = head.rig.pointAt(found).map((value, axis) => value - from[axis]);
        rows.push({ solve_ms, by, moved, vertices: found.vertices, mix: found.mix });
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


def cameras_of(results: Path) -> Cameras:
    """Return the held-out cameras in head space."""
    fitted = read_fitted_frames(results / "gaussians" / "neutral.h5")
    frame = fitted.frames[0]
    pose = read_pose(results / "dataset" / fitted.expression / frame / f"{frame}_transform.txt")
    cameras = read_cameras(results / "dataset" / "cameras.json").in_head_space(pose)
    return cameras.select(cameras.held_out)


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


def drags(page: object, head: Head, family: str) -> list[str]:
    """Return rows about drags of 2 mm with one family or all: time, and how near points come that can get there."""
    done = page.evaluate(DRAGS, [family, 2.0])
    chosen = list(head.families) if family == "all" else [family]
    moves = np.concatenate([positions(head.families[name].rig).reshape(-1, len(head.base), 3) for name in chosen])
    panels = [head.panels[name] for name in chosen]
    reach = page.evaluate("splatrig.rig.header.drag.reach")
    low, high = (
        np.concatenate([np.full(p.count, p.limits[end]) if p.limits else reach * (p.low, p.high)[end] for p in panels])
        for end in (0, 1)
    )
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
    followed, miss = (np.array(missed) < FOLLOWED)[reached], np.median(np.array(missed)[reached])
    return [
        f"| drags of 2 mm with {family}: points | {len(done)} |",
        f"| a solve, median and slowest | {np.median(times):.2f} ms, {max(times):.2f} ms |",
        f"| that the components can take to their target | {reached.mean():.0%} |",
        f"| of these, within 5 % of it | {followed.mean():.0%}, median miss {miss:.1%} |",
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0, help="of playing, at each size")
    parser.add_argument("--screenshots", type=Path)
    parser.add_argument("--drags", action="store_true", help="measure nothing but drags")
    options = parser.parse_args()
    numbers = json.loads((options.results / "control" / "head.json").read_text())
    head = open_head(options.results, numbers["families"])
    cameras = cameras_of(options.results)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 860}, offline=True)
        page.set_default_timeout(120_000)
        begun = time.monotonic()
        page.goto((options.results / "control" / "head.html").resolve().as_uri())
        page.wait_for_selector("body[data-state=ready], body[data-state=failed]")
        print(f"| opened and drawn | {time.monotonic() - begun:.1f} s, {numbers['page_bytes'] / 1e6:.1f} MB |")
        for width, height in () if options.drags else ((400, 400), (800, 800)):
            rate = page.evaluate(PLAY, [width, height, options.seconds])
            print(f"| playing at {width}×{height}, Chromium {browser.version}, SwiftShader | {rate:.1f} frames/s |")
        for family in (*head.families, "all"):
            print("\n".join(drags(page, head, family)))
        if options.drags:
            return
        values = fidelity(page, head, cameras)
        print(
            f"| page against rasteriser, {len(values)} pictures of {cameras.width}×{cameras.height} "
            f"| worst {min(values):.1f} dB, median {statistics.median(values):.1f} dB |"
        )
        if options.screenshots:
            options.screenshots.mkdir(parents=True, exist_ok=True)
            page.evaluate("() => { splatrig.pose({}); splatrig.view.front(); splatrig.resize(860, 860, 1); }")
            page.evaluate("() => splatrig.settled()")
            page.screenshot(path=options.screenshots / "rest.png")


if __name__ == "__main__":
    main()
