"""A planted head as a web head, opened from disk in a headless Chromium without a network."""

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.blendshapes import arkit
from splatrig.components.rig import Rig
from splatrig.control.filters import tour
from splatrig.control.head import Family, Head
from splatrig.control.panel import panel_of
from splatrig.control.web.measure import cost_of
from splatrig.control.web.pack import pack_head
from splatrig.control.web.page import build_page, footer_of, header_of
from splatrig.io.files import write_text
from support import browser, heads, planted, web_renderer

LOCAL = "sldc_gauss_xyz"
CENTERS_MM = np.array([[-30.0, 20.0, 82.0], [30.0, -15.0, 83.0]])
"""Where local components act: on the side of the sphere that looks at the viewer."""
DIRECTIONS = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
WIDTH_MM = 20.0


def local_family(made: planted.Head) -> Family:
    """Around each center, four components that only push: right, left, up and down, 10 mm at most."""
    distance = np.linalg.norm(made.vertices[None] - CENTERS_MM[:, None], axis=2)
    falloff = np.exp(-0.5 * (distance / WIDTH_MM) ** 2) * (distance < 2.5 * WIDTH_MM)
    fields = 10.0 * falloff[:, None, :, None] * DIRECTIONS[None, :, None, :]  # [2, 4, N, 3]
    parts = planted.components(made, count=8)
    parts = replace(parts, C=(fields.reshape(8, -1) / parts.std).astype(np.float32))
    level = heads.template(made).levels["base"]
    return Family(
        Rig.of(parts, made.neutral), panel_of(LOCAL, parts, level, subject="planted", neutral_frame=parts.frames[0])
    )


def planted_head() -> Head:
    made = planted.head(3)
    families = {
        "pca_all": heads.family(made, "pca_all", family="pca", attributes=planted.ALL_ATTRIBUTES, count=4, seed=3),
        LOCAL: local_family(made),
    }
    return Head("planted", families, heads.template(made))


HEAD = planted_head()
CAMERAS = planted.cameras(3, width=40, height=60).scaled(4)
PIXEL_MM = CAMERAS.pixel_size(np.zeros(3))
TRACK = tour(HEAD.panels["pca_all"], rate=10, move_s=0.3, hold_s=0.1)
STAGE, PANEL = 320, 420
"""Pixels: the side of the picture, and the width of what is beside it (style.css)."""
READY = "body[data-state=ready], body[data-state=failed]"


UNTOLD = ("tongueOut", "cheekPuff")


def arkit_head() -> Head:
    """A head of ARKit's blendshapes, all but `UNTOLD` shown by its capture, and of local components."""
    made = planted.head(2)
    level = heads.template(made).levels["base"]
    families = {}
    for name, names in (("learned_arkit", arkit.NAMES), (LOCAL, ())):
        parts = planted.components(made, count=len(names) or 5)
        told = np.array([unit not in UNTOLD for unit in names]) if names else None
        parts = replace(parts, names=names, told=told)
        panel = panel_of(name, parts, level, subject="planted", neutral_frame=parts.frames[0])
        families[name] = Family(Rig.of(parts, made.neutral), panel)
    return Head("planted", families, heads.template(made))


@dataclass
class Opened:
    """The page, and all that it said and asked for."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def call(self, expression: str, *arguments: object) -> Any:
        """Evaluate a function in the page; `head` is what the page offers to scripts."""
        return self.page.evaluate(f"(given) => (({expression}))(window.splatrig, ...given)", list(arguments))

    def picture(self, camera: str | None = None) -> NDArray[np.float64]:  # [H, W, 3]
        """Return the picture in [0, 1] at the size of the calibrated cameras, on black.

        On a busy machine the page may hear only then that its stage has another size, and draw at that: once more.
        """
        for _ in range(5):
            picture = self._pictured(camera)
            if picture.shape[:2] == (CAMERAS.height, CAMERAS.width):
                break
        return picture

    def _pictured(self, camera: str | None) -> NDArray[np.float64]:
        url = self.call(
            """async (head, name, width, height) => {
                if (name) head.view.choose(name);
                head.resize(width, height, 1);
                head.setBackground(0);
                return head.snapshot();
            }""",
            camera,
            CAMERAS.width,
            CAMERAS.height,
        )
        return self.decoded(url)

    def decoded(self, url: str) -> NDArray[np.float64]:  # [H, W, 3]
        """Return the picture of a data URL, in [0, 1]."""
        with Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))) as image:
            return np.asarray(image.convert("RGB"), dtype=np.float64) / 255

    def pixel(self, x: float, y: float) -> NDArray[np.int64]:  # [3]
        """Return what the screen shows at a place of the page, in [0, 255]."""
        shot = self.page.screenshot(clip={"x": x, "y": y, "width": 1, "height": 1})
        with Image.open(io.BytesIO(shot)) as image:
            return np.asarray(image.convert("RGB"), dtype=np.int64)[0, 0]

    def weights(self) -> NDArray[np.float64]:
        """Return all weights, families one after the other."""
        return np.array(self.call("(head) => Array.from(head.rig.weights)"))

    def to_rest(self) -> None:
        """Undo what others did: weights, pins, the view, its size and what a drag may move."""
        self.call(
            """(head, side, family) => {
                document.getElementById("reset").click();
                document.getElementById("drag-with").value = family;
                head.view.front();
                if (document.getElementById("view").width !== side) head.resize(side, side, 1);
            }""",
            STAGE,
            LOCAL,
        )

    def message(self) -> tuple[str, bool]:
        """Return what the page says, and whether as an error."""
        line = self.page.locator("#message")
        return line.inner_text(), line.get_attribute("class") == "error"


@contextmanager
def opened_in_browser(address: str, *, offline: bool, flags: Sequence[str] = ()) -> Iterator[Opened]:
    """Open a page in a browser of its own, and listen to what it says and asks for."""
    with browser.chromium(*flags) as chromium:
        page = chromium.new_page(viewport={"width": STAGE + PANEL, "height": STAGE}, offline=offline)
        page.set_default_timeout(60_000)
        found = Opened(page)
        page.on("console", lambda said: found.errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: found.errors.append(str(error)))
        page.on("request", lambda request: found.requests.append(request.url))
        page.goto(address)
        page.wait_for_selector(READY)
        below = page.locator("#transport").evaluate("(bar) => bar.offsetHeight")
        page.set_viewport_size({"width": STAGE + PANEL, "height": STAGE + below})
        page.locator(f"#view[height='{STAGE}']").wait_for()
        page.evaluate("for (const folder of document.querySelectorAll('aside details')) folder.open = true")
        yield found


def write_page(head: Head, path: Path) -> None:
    packed = pack_head(head, PIXEL_MM)
    tracks = {"tour": TRACK} if TRACK.family in head.families else {}
    header, blob = header_of(head, packed, CAMERAS, tracks)
    footer = footer_of(head, packed, cost_of(head, packed, CAMERAS.select([0])), "")
    page = build_page(
        header,
        blob,
        title="planted",
        footer=footer,
        sources=web_renderer.SOURCES,
        renderer=web_renderer.renderer_path(),
    )
    write_text(path, page)
