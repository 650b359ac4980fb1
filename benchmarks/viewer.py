"""How many poses a second reach the screen of a browser: `PYTHONPATH=workflow/lib python benchmarks/viewer.py`.

A synthetic head of N Gaussians and K components (half of them local) is moved as fast as it goes for some seconds:
one slider at a time, then all of them. Counted at the other end: poses that arrive over the socket (a plain client that
draws nothing), or, with `--browser`, uploads of the whole head to the browser's GPU, and frames drawn. Without a GPU a
browser draws in software, which then sets the pace.
"""

import argparse
import multiprocessing
import time

import numpy as np
import trimesh
import viser
from playwright.sync_api import sync_playwright
from websockets.sync.client import connect

from splatrig.components.component_file import Components
from splatrig.components.fields import Columns
from splatrig.components.rig import Rig
from splatrig.control.head import Family, Head
from splatrig.control.panel import panel_of
from splatrig.control.viewer.splats import Blender
from splatrig.control.viewer.stage import Stage
from splatrig.gaussians.gaussians import Gaussians
from splatrig.mesh.template import build_template

WORDS = 8
"""Of 32 bits a Gaussian in viser's updates."""
BROWSER = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
COUNT = """
window.counted = {uploads: 0, frames: 0};
for (const kind of [WebGL2RenderingContext.prototype])
  for (const name of ["texImage2D", "texSubImage2D"]) {
    const original = kind[name];
    kind[name] = function (...a) {
      const data = a[a.length - 1];
      if (data && data.byteLength > 100000) window.counted.uploads += 1;
      return original.apply(this, a);
    };
  }
const tick = () => { window.counted.frames += 1; requestAnimationFrame(tick); };
requestAnimationFrame(tick);
"""


def synthetic(count: int, k: int) -> Head:
    """Return a ball of `count` Gaussians with smooth components over 13 numbers each."""
    generator = np.random.default_rng(0)
    level = int(np.ceil(np.log((count - 2) / 10) / np.log(4)))
    ball = trimesh.creation.icosphere(subdivisions=level, radius=90.0)
    kept = np.arange(min(count, len(ball.vertices)))
    vertices = np.asarray(ball.vertices)[kept]
    faces = np.asarray(ball.faces)[(np.asarray(ball.faces) < len(kept)).all(axis=1)]
    spacing = 90.0 * np.sqrt(4 * np.pi / count)
    quats = generator.normal(size=(count, 4))
    neutral = Gaussians(
        means=vertices.astype(np.float32),
        quats=(quats / np.linalg.norm(quats, axis=1, keepdims=True)).astype(np.float32),
        log_scales=np.full((count, 3), np.log(spacing / 2), dtype=np.float32),
        logit_opacities=np.full(count, 3.0, dtype=np.float32),
        sh0=generator.normal(size=(count, 1, 3)).astype(np.float32),
        shN=np.zeros((count, 15, 3), dtype=np.float32),
    )
    template = build_template(vertices, faces, 0, center_vertex=0)
    families = {}
    for name, family in (("joint_global", "pca"), ("joint_local", "sldc")):
        columns = Columns(("xyz", "f_dc", "rotation", "scale"), count)
        rest = columns.row_of(neutral)
        C = 0.01 * generator.normal(size=(k // 2, len(columns))).astype(np.float32)
        if family == "sldc":
            near = vertices @ vertices[generator.integers(0, count, k // 2)].T > 0.7 * 90**2
            for number, mask in enumerate(near.T):
                C[number] *= columns.of_gaussians(mask)
        W = generator.random((20, k // 2)).astype(np.float32)
        ones = np.ones(len(columns), dtype=np.float32)
        parts = Components(
            family,
            W,
            C,
            rest,
            ones,
            None,
            columns,
            faces,
            vertices[:, 2] > 0,
            tuple(f"E/{i}" for i in range(20)),
            names=tuple(f"{family} {i:02d}" for i in range(k // 2)),
            limits=(0.0, 1.0) if family == "sldc" else None,
        )
        level_ = template.levels["base"]
        families[name] = Family(Rig.of(parts, neutral), panel_of(name, parts, level_, subject="ball", neutral_frame=""))
    return Head("ball", families, template)


def move(head: Head, stage: Stage, seconds: float, *, everything: bool, rate: float) -> tuple[int, float]:
    """Move sliders for some seconds; return the number of poses sent and the milliseconds that one took."""
    blender, generator = Blender(head), np.random.default_rng(1)
    pose = {name: np.zeros(panel.count) for name, panel in head.panels.items()}
    sent, spent, begin = 0, 0.0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        if everything:
            pose = {name: generator.random(panel.count) for name, panel in head.panels.items()}
        else:
            pose["joint_global"][0] = generator.random()
        stage.show("head", blender.splats(pose))
        sent, spent = sent + 1, spent + time.perf_counter() - start
        time.sleep(max(0.0, begin + sent / rate - time.perf_counter()))
    return sent, 1e3 * spent / sent


def arriving(port: int, gaussians: int, stop: object, counted: object, received: object) -> None:
    """Count the updates of a head that the viewer sends, and their bytes; decode each as the browser does.

    An update ends with 8 words of 32 bits a Gaussian: three of its centre, one unused, three of two 16-bit entries of
    its covariance, and its colour.
    """
    protocol = f"viser-v{viser.__version__}"
    with connect(f"ws://127.0.0.1:{port}", subprotocols=[protocol], max_size=None, compression=None) as socket:
        while not stop.is_set():
            try:
                message = socket.recv(timeout=0.2)
            except TimeoutError:
                continue
            if len(message) < WORDS * 4 * gaussians:
                continue
            words = np.frombuffer(message[-WORDS * 4 * gaussians :], dtype="<u4").reshape(gaussians, WORDS)
            centers = np.ascontiguousarray(words[:, :3]).view(np.float32)
            covariances = np.ascontiguousarray(words[:, 4:7]).view(np.float16).astype(np.float32)
            if not (np.isfinite(centers).all() and np.isfinite(covariances).all()):
                raise ValueError("an update of the head holds numbers that are none")
            counted.value += 1
            received.value += len(message)


def over_the_socket(head: Head, server: viser.ViserServer, stage: Stage, options: argparse.Namespace) -> None:
    """Print poses a second that arrive at a client that draws nothing."""
    context = multiprocessing.get_context("spawn")
    for everything in (False, True):
        stop, counted, received = context.Event(), context.Value("i", 0), context.Value("q", 0)
        client = context.Process(target=arriving, args=(server.get_port(), len(head.base), stop, counted, received))
        client.start()
        while counted.value == 0:
            time.sleep(0.1)
        counted.value = received.value = 0
        sent, milliseconds = move(head, stage, options.seconds, everything=everything, rate=options.rate)
        arrived, size = counted.value, received.value / max(counted.value, 1) / len(head.base)
        stop.set()
        client.join()
        print(
            f"{len(head.base):9d}  {'all' if everything else 'one':>5}  {milliseconds:7.1f}"
            f"  {sent / options.seconds:12.1f}  {arrived / options.seconds:9.1f} arrived, {size:.2f} bytes a Gaussian"
        )


def in_a_browser(server: viser.ViserServer, head: Head, stage: Stage, options: argparse.Namespace) -> None:
    """Print poses a second that reach the browser's GPU, and frames that it draws."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=options.browser, headless=True, args=BROWSER)
        page = browser.new_page(viewport={"width": options.size[0], "height": options.size[1]})
        page.add_init_script(COUNT)
        page.goto(f"http://127.0.0.1:{server.get_port()}/")
        page.wait_for_function("window.counted.uploads > 0", timeout=120_000)
        page.wait_for_timeout(2000)
        for everything in (False, True):
            page.evaluate("window.counted = {uploads: 0, frames: 0}")
            begin = time.perf_counter()
            sent, milliseconds = move(head, stage, options.seconds, everything=everything, rate=options.rate)
            counted = page.evaluate("window.counted")
            took = time.perf_counter() - begin
            print(
                f"{len(head.base):9d}  {'all' if everything else 'one':>5}  {milliseconds:7.1f}  {sent / took:12.1f}"
                f"  {counted['uploads'] / took:9.1f} uploaded  {counted['frames'] / took:6.1f} drawn"
            )
        browser.close()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gaussians", type=int, nargs="*", default=[15_970, 87_652])
    parser.add_argument("--components", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rate", type=float, default=200.0, help="poses a second that are asked for")
    parser.add_argument("--size", type=int, nargs=2, default=[320, 240], help="of the browser's window, pixels")
    parser.add_argument("--browser", nargs="?", const="/usr/bin/chromium", default=None)
    options = parser.parse_args()
    print("gaussians  moved  pose ms  poses sent/s  a second at the other end")
    for count in options.gaussians:
        head = synthetic(count, options.components)
        server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
        stage = Stage(server, head.base.means)
        stage.show("head", Blender(head).splats({}))
        if options.browser is None:
            over_the_socket(head, server, stage, options)
        else:
            in_a_browser(server, head, stage, options)
        server.stop()


if __name__ == "__main__":
    main()
