"""Frame rates of web heads in a Chromium that draws on a GPU, without playwright: the DevTools protocol over a socket.

`python benchmarks/web_head_gpu.py PAGE.html … --browser PATH` starts a headless Chromium with one way to the GPU after
the other until WebGL names a hardware renderer, then poses each page anew in every frame for some seconds; drawing in
software (SwiftShader) is measured beside it. `--make N` first writes a page of N Gaussians and 40 components.
"""

import argparse
import base64
import itertools
import json
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

COMMON = [
    *("--no-sandbox", "--disable-gpu-sandbox", "--ignore-gpu-blocklist", "--enable-gpu-rasterization"),
    *("--remote-debugging-port=0", "--no-first-run", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--allow-file-access-from-files", "--window-size=1400,1000"),
]
WAYS = {
    "vulkan": ["--use-gl=angle", "--use-angle=vulkan", "--enable-features=Vulkan", "--disable-vulkan-surface"],
    "gl-egl": ["--use-gl=angle", "--use-angle=gl-egl"],
    "gles-egl": ["--use-gl=angle", "--use-angle=gles-egl"],
    "gl": ["--use-gl=angle", "--use-angle=gl"],
    "swiftshader": ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
}
FREE = ["--disable-frame-rate-limit", "--disable-gpu-vsync"]
SOFTWARE = ("swiftshader", "llvmpipe", "softpipe", "no webgl")

RENDERER = """(() => {
    const gl = document.createElement("canvas").getContext("webgl2");
    if (!gl) return "no WebGL 2";
    const info = gl.getExtension("WEBGL_debug_renderer_info");
    return info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : gl.getParameter(gl.RENDERER);
})()"""
RATE = """(async (side, seconds, all, finish) => {
    const head = window.splatrig;
    head.resize(side, side, 1);
    const gl = document.getElementById("view").getContext("webgl2");
    const pixel = new Uint8Array(4);
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    let step = 0;
    const pose = () => {
        step += 1;
        const share = 0.5 - 0.5 * Math.cos(step / 10);
        head.pose(Object.fromEntries(head.rig.families.map((family, number) => [
            family.name, family.high.map((end, k) => (all || (k === 0 && number === 0) ? share * end : 0)),
        ])));
    };
    for (let warm = 0; warm < 10; warm++) { pose(); await frame(); }
    const begun = performance.now();
    const drawn = head.framesDrawn();
    while (performance.now() - begun < 1000 * seconds) {
        pose();
        await frame();
        if (finish) gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    }
    return (1000 * (head.framesDrawn() - drawn)) / (performance.now() - begun);
})"""


class Chromium:
    """A headless Chromium and the socket of its only page."""

    def __init__(self, program: str, flags: list[str]) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="splatrig-chromium-")
        log = (Path(self.folder.name) / "log").open("w")
        command = [program, *COMMON, *flags, f"--user-data-dir={self.folder.name}/profile", "about:blank"]
        if "headless-shell" not in Path(program).name:
            command.insert(1, "--headless=new")
        self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        port_file = Path(self.folder.name) / "profile" / "DevToolsActivePort"
        end = time.monotonic() + 20
        while not (port_file.is_file() and port_file.read_text().strip()):
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"no browser: {self.log()}")
            time.sleep(0.1)
        port = port_file.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
            target = next(page for page in json.load(answer) if page["type"] == "page")
        self.socket = connect(target["webSocketDebuggerUrl"], max_size=None, compression=None)
        self.number = itertools.count(1)

    def call(self, method: str, timeout: float = 60.0, **parameters: Any) -> Any:
        """Call a method of the DevTools protocol."""
        number = next(self.number)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv(timeout=timeout))
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(answer["error"]["message"])
                return answer["result"]

    def evaluate(self, expression: str, timeout: float = 60.0) -> Any:
        """Return the value of an expression in the page, awaited."""
        options = {"returnByValue": True, "awaitPromise": True}
        found = self.call("Runtime.evaluate", timeout, expression=expression, **options)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"])[:500])
        return found["result"].get("value")

    def open(self, page: Path) -> float:
        """Open a web head and return the seconds until it is drawn."""
        begun = time.monotonic()
        self.call("Page.navigate", url=page.resolve().as_uri())
        while time.monotonic() - begun < 90:
            state = self.evaluate("document.body && document.body.dataset.state")
            if state == "ready":
                return time.monotonic() - begun
            if state == "failed":
                break
            time.sleep(0.1)
        raise RuntimeError(str(self.evaluate("document.getElementById('message')?.textContent")))

    def log(self) -> str:
        """Return the end of what the browser said."""
        return (Path(self.folder.name) / "log").read_text(errors="replace")[-1500:]

    def close(self) -> None:
        """End the browser."""
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


def measure(browser: Chromium, page: Path, seconds: float, sides: list[int]) -> list[str]:
    """Return table rows of one page: frames a second, by size, what moves, and whether each frame is read back."""
    opened = browser.open(page)
    count = browser.evaluate("window.splatrig.rig.count")
    rows = [f"| {page.name}, {count} Gaussians: opened and drawn | {opened:.1f} s |"]
    for side, (every, finish) in itertools.product(sides, (("false", "false"), ("true", "false"), ("true", "true"))):
        rate = browser.evaluate(f"{RATE}({side}, {seconds}, {every}, {finish})", timeout=60 + 4 * seconds)
        what = "all sliders" if every == "true" else "one slider"
        what += ", each frame read back" if finish == "true" else ""
        rows.append(f"| {page.name}, {side}×{side}, {what} | {rate:.1f} frames/s |")
    return rows


def picture(browser: Chromium, path: Path) -> None:
    """Write what the page shows."""
    browser.evaluate("(async () => { splatrig.resize(800, 800, 1); await splatrig.settled(); })()")
    shot = browser.call("Page.captureScreenshot", format="png")
    path.write_bytes(base64.b64decode(shot["data"]))


def make_page(path: Path, count: int, renderer: Path) -> None:
    """Write a page of a ball of `count` Gaussians, 20 global and 20 local components over 13 numbers each."""
    from dataclasses import replace

    import numpy as np
    from scipy.spatial import ConvexHull

    from splatrig.components.component_file import Components
    from splatrig.components.fields import Columns
    from splatrig.components.rig import Rig
    from splatrig.config.models import ControlDrag
    from splatrig.control.head import Family, Head
    from splatrig.control.panel import panel_of
    from splatrig.control.web.pack import pack_head
    from splatrig.control.web.page import build_page, header_of
    from splatrig.dataset.cameras import Cameras
    from splatrig.gaussians.gaussians import Gaussians
    from splatrig.mesh.template import build_template

    generator = np.random.default_rng(0)
    index = np.arange(count) + 0.5
    height, turn = 1 - 2 * index / count, np.pi * (1 + 5**0.5) * index
    across = np.sqrt(1 - height**2)
    vertices = 90.0 * np.stack([across * np.cos(turn), across * np.sin(turn), height], axis=1)
    faces = ConvexHull(vertices).simplices.astype(np.int64)
    spacing = 90.0 * np.sqrt(4 * np.pi / count)
    neutral = Gaussians(
        means=vertices.astype(np.float32),
        quats=np.tile(np.float32([1, 0, 0, 0]), (count, 1)),
        log_scales=np.full((count, 3), np.log(0.6 * spacing), dtype=np.float32),
        logit_opacities=np.full(count, 3.0, dtype=np.float32),
        sh0=(0.5 * np.sin(vertices / 9.0))[:, None].astype(np.float32),
        shN=(0.02 * generator.standard_normal((count, 15, 3))).astype(np.float32),
    )
    columns = Columns(("xyz", "f_dc", "rotation", "scale"), count)
    rest = columns.row_of(neutral)
    template, families = build_template(vertices, faces, 0, center_vertex=0), {}
    for name, kind in (("joint_global", "pca"), ("joint_local", "sldc")):
        C = 0.02 * generator.standard_normal((20, len(columns)), dtype=np.float32)
        W = generator.random((20, 20), dtype=np.float32)
        ones, names = np.ones(len(columns), dtype=np.float32), tuple(f"{kind} {k:02d}" for k in range(20))
        frames = tuple(f"E/{k}" for k in range(20))
        parts = Components(kind, W, C, rest, ones, None, columns, faces, vertices[:, 2] > 0, frames, names=names)
        parts = replace(parts, limits=(0.0, 1.0) if kind == "sldc" else None)
        panel = panel_of(name, parts, template.levels["base"], subject="ball", neutral_frame="")
        families[name] = Family(Rig.of(parts, neutral), panel)
    head = Head("ball", families, template)
    camera = Cameras(("front",), np.eye(4)[None], np.eye(3)[None], 10, 10, np.zeros(1, dtype=bool))
    header, blob = header_of(head, pack_head(head), camera, {}, ControlDrag(3e-5, 40.0, 1.5, 1.0))
    sources = Path(__file__).resolve().parents[1] / "workflow" / "web"
    path.write_text(build_page(header, blob, title="ball", footer=[], sources=sources, renderer=renderer))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("pages", type=Path, nargs="*")
    parser.add_argument("--browser", required=True)
    parser.add_argument("--make", type=int)
    parser.add_argument("--renderer", type=Path, default=Path("resources/retrieved/web_renderer.zip"))
    parser.add_argument("--seconds", type=float, default=3.0, help="of posing, each time")
    parser.add_argument("--sides", type=int, nargs="*", default=[800], help="of the square picture, pixels")
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    if options.make:
        made = Path(tempfile.gettempdir()) / f"ball-{options.make}.html"
        begun = time.monotonic()
        make_page(made, options.make, options.renderer)
        print(f"{made.name}: {made.stat().st_size / 1e6:.0f} MB in {time.monotonic() - begun:.0f} s", flush=True)
        options.pages.append(made)
    hardware = None
    for way in options.ways:
        if hardware and way != "swiftshader":
            continue
        for free in (False, True):
            try:
                browser = Chromium(options.browser, [*WAYS[way], *(FREE if free else [])])
            except (RuntimeError, OSError) as error:
                print(f"{way}: {error}", flush=True)
                break
            try:
                renderer = browser.evaluate(RENDERER)
                print(f"{way}: {renderer}{', as fast as it goes' if free else ''}", flush=True)
                if any(word in renderer.lower() for word in SOFTWARE) and way != "swiftshader":
                    print(browser.log(), flush=True)
                    break
                hardware = hardware or (way if way != "swiftshader" else None)
                for page in options.pages:
                    print("\n".join(measure(browser, page, options.seconds, options.sides)), flush=True)
                    if options.pictures and not free:
                        options.pictures.mkdir(parents=True, exist_ok=True)
                        picture(browser, options.pictures / f"{way}-{page.stem}.png")
                if way == "swiftshader":
                    break
            except (RuntimeError, TimeoutError, OSError) as error:
                print(f"{way}: {error}\n{browser.log()}", flush=True)
                break
            finally:
                browser.close()


if __name__ == "__main__":
    main()
