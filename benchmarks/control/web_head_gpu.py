"""Frame rates of web heads in a Chromium that draws on a GPU, without playwright: the DevTools protocol over a socket.

`python benchmarks/control/web_head_gpu.py PAGE.html … --browser PATH` starts a headless Chromium with one way to the
GPU after the other until WebGL names a hardware renderer, then poses each page again in every frame for some seconds;
drawing in software (SwiftShader) is measured, too. `--make N …` measures pages of N Gaussians and 52 components, all
of which move every Gaussian, as if photographed in 1334×2048 pixels.
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

from support.ball_head import ball, front_cameras, write_page
from support.harness import Figures, machine, need_browser, parsed, parser_of

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
SIZES = "window.splatrig.rig.families.map((family) => family.names.length)"
RATE = """(async (side, seconds, families, sliders, finish) => {
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
            family.name, family.high.map((end, k) => (number < families && k < sliders ? share * end : 0)),
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


def measure(browser: Chromium, page: Path, options: argparse.Namespace, way: str, figures: Figures) -> None:
    """Measure frames a second of one page, by size, what moves, and whether each frame is read back."""
    opened = browser.open(page)
    count = browser.evaluate("window.splatrig.rig.count")
    figures.add(f"{way}: {page.name}, {count} Gaussians: opened and drawn", opened, "s")
    sizes = browser.evaluate(SIZES)
    moved = {"one slider": (1, 1), f"the first family's {sizes[0]} sliders": (1, sizes[0])}
    moved |= {f"all {sum(sizes)} sliders": (len(sizes), max(sizes))}
    for side, (what, (families, sliders)), finish in itertools.product(options.sides, moved.items(), (False, True)):
        call = f"{RATE}({side}, {options.seconds}, {families}, {sliders}, {str(finish).lower()})"
        rate = browser.evaluate(call, timeout=60 + 4 * options.seconds)
        what += ", each frame read back" if finish else ""
        figures.add(f"{way}: {page.name}, {side}×{side}, {what}", rate, "frames/s")


def picture(browser: Chromium, path: Path) -> None:
    """Write what the page shows."""
    browser.evaluate("(async () => { splatrig.resize(800, 800, 1); await splatrig.settled(); })()")
    shot = browser.call("Page.captureScreenshot", format="png")
    path.write_bytes(base64.b64decode(shot["data"]))


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("pages", type=Path, nargs="*")
    parser.add_argument("--browser", help="a Chromium; default: the one on the PATH")
    parser.add_argument(
        "--make", type=int, nargs="*", default=[], metavar="N", help="make pages of N Gaussians as well"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of posing, each time")
    parser.add_argument("--sides", type=int, nargs="*", default=[800], help="of the square picture, pixels")
    parser.add_argument("--ways", nargs="*", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--pictures", type=Path)
    options = parsed(parser, make=[300], seconds=0.3, sides=[64], ways=["swiftshader"])
    options.browser = options.browser or need_browser()
    figures = Figures(options, machine())
    with tempfile.TemporaryDirectory() as folder:
        for count in options.make:
            made = Path(folder) / f"ball-{count}.html"
            begun = time.monotonic()
            write_page(made, ball(count, 52, local_cosine=None), front_cameras(1334, 2048))
            figures.add(f"{made.name}: made", time.monotonic() - begun, "s")
            figures.add(f"{made.name}: size", made.stat().st_size / 1e6, "MB")
            options.pages.append(made)
        try_ways(options, figures)
    figures.save()


def try_ways(options: argparse.Namespace, figures: Figures) -> None:
    """Measure all pages with the first way to the GPU that works, and in software."""
    hardware = None
    for way in options.ways:
        if hardware and way != "swiftshader":
            continue
        for free in (False, True):
            try:
                browser = Chromium(options.browser, [*WAYS[way], *(FREE if free else [])])
            except (RuntimeError, OSError) as error:
                figures.say(f"{way}: {error}")
                break
            try:
                renderer = browser.evaluate(RENDERER)
                figures.say(f"{way}: {renderer}{', as fast as it goes' if free else ''}")
                if any(word in renderer.lower() for word in SOFTWARE) and way != "swiftshader":
                    figures.say(browser.log())
                    break
                hardware = hardware or (way if way != "swiftshader" else None)
                for page in options.pages:
                    measure(browser, page, options, f"{way}{', free' if free else ''}", figures)
                    if options.pictures and not free:
                        options.pictures.mkdir(parents=True, exist_ok=True)
                        picture(browser, options.pictures / f"{way}-{page.stem}.png")
                if way == "swiftshader":
                    break
            except (RuntimeError, TimeoutError, OSError) as error:
                figures.say(f"{way}: {error}\n{browser.log()}")
                break
            finally:
                browser.close()


if __name__ == "__main__":
    main()
