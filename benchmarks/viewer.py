"""How many poses a second reach the screen of a browser: `python benchmarks/viewer.py`.

A ball of N Gaussians and K components (half of them local) is moved as fast as it goes for some seconds: one slider
at a time, then all of them. Counted at the other end: poses that arrive over the socket (a plain client that draws
nothing), or, with `--browser`, uploads of the whole head to the browser's GPU, and frames drawn. Without a GPU a
browser draws in software, which then sets the pace.
"""

import argparse
import multiprocessing
import time

import numpy as np
import viser
from ball_head import ball
from harness import Figures, machine, need_browser, need_package, parsed, parser_of
from websockets.sync.client import connect

from splatrig.control.head import Head
from splatrig.control.viewer.splats import Blender
from splatrig.control.viewer.stage import Stage

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
      if (data && data.byteLength > BYTES) window.counted.uploads += 1;
      return original.apply(this, a);
    };
  }
const tick = () => { window.counted.frames += 1; requestAnimationFrame(tick); };
requestAnimationFrame(tick);
"""


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
            pose["learned_global"][0] = generator.random()
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


def over_the_socket(
    head: Head, server: viser.ViserServer, stage: Stage, options: argparse.Namespace, figures: Figures
) -> None:
    """Measure poses a second that arrive at a client that draws nothing."""
    context = multiprocessing.get_context("spawn")
    stop, counted, received = context.Event(), context.Value("i", 0), context.Value("q", 0)
    client = context.Process(target=arriving, args=(server.get_port(), len(head.base), stop, counted, received))
    client.start()
    while counted.value == 0 and client.is_alive():
        time.sleep(0.1)
    for everything in (False, True):
        counted.value = received.value = 0
        sent, milliseconds = move(head, stage, options.seconds, everything=everything, rate=options.rate)
        arrived, size = counted.value, received.value / max(counted.value, 1) / len(head.base)
        what = f"{len(head.base)} Gaussians, {'all sliders' if everything else 'one slider'}"
        figures.add(f"{what}: a pose", milliseconds, "ms")
        figures.add(f"{what}: poses sent", sent / options.seconds, "1/s")
        figures.add(f"{what}: poses arrived", arrived / options.seconds, "1/s")
        figures.add(f"{what}: bytes per Gaussian", size, "")
    stop.set()
    client.join()


def in_a_browser(
    server: viser.ViserServer, head: Head, stage: Stage, options: argparse.Namespace, figures: Figures
) -> None:
    """Measure poses a second that reach the browser's GPU, and frames that it draws."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=options.browser, headless=True, args=BROWSER)
        page = browser.new_page(viewport={"width": options.size[0], "height": options.size[1]})
        page.add_init_script(COUNT.replace("BYTES", str(WORDS * 2 * len(head.base))))  # half an update
        page.goto(f"http://127.0.0.1:{server.get_port()}/")
        page.wait_for_function("window.counted.uploads > 0", timeout=120_000)
        page.wait_for_timeout(2000)
        for everything in (False, True):
            page.evaluate("window.counted = {uploads: 0, frames: 0}")
            begin = time.perf_counter()
            sent, milliseconds = move(head, stage, options.seconds, everything=everything, rate=options.rate)
            counted = page.evaluate("window.counted")
            took = time.perf_counter() - begin
            what = f"{len(head.base)} Gaussians, {'all sliders' if everything else 'one slider'}"
            figures.add(f"{what}: a pose", milliseconds, "ms")
            figures.add(f"{what}: poses sent", sent / took, "1/s")
            figures.add(f"{what}: uploads", counted["uploads"] / took, "1/s")
            figures.add(f"{what}: frames drawn", counted["frames"] / took, "1/s")
        browser.close()


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--gaussians", type=int, nargs="*", default=[15_970, 87_652])
    parser.add_argument("--components", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rate", type=float, default=200.0, help="poses a second that are asked for")
    parser.add_argument("--size", type=int, nargs=2, default=[320, 240], help="of the browser's window, pixels")
    parser.add_argument("--browser", nargs="?", const="", help="draw in this Chromium, or in the one on the PATH")
    options = parsed(parser, gaussians=[400], components=6, seconds=0.5)
    if options.browser is not None:
        need_package("playwright")
        options.browser = options.browser or need_browser()
    figures = Figures(options, machine("viser", "numpy"))
    for count in options.gaussians:
        head = ball(count, options.components, size=0.01)
        server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
        stage = Stage(server, head.base.means)
        stage.show("head", Blender(head).splats({}))
        if options.browser is None:
            over_the_socket(head, server, stage, options, figures)
        else:
            in_a_browser(server, head, stage, options, figures)
        server.stop()
    figures.save()


if __name__ == "__main__":
    main()
