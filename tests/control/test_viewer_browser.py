"""The page in a real browser: headless Chromium, software rendering, a planted head of 162 Gaussians."""

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from splatrig.capture.photographs import write_photograph
from splatrig.control.coefficients import coefficients_text
from splatrig.control.track import Track, write_track
from splatrig.dataset.cameras import write_cameras
from splatrig.dataset.frames import FrameRow, write_frames
from splatrig.dataset.pose import write_pose
from splatrig.io.errors import InputError
from support import browser, heads, planted

viser = pytest.importorskip("viser", reason="the viewer needs viser: pip install viser==1.1.1")

from splatrig.control.viewer.page import Page  # noqa: E402
from splatrig.control.viewer.stage import FOV_DEGREES, START_MM  # noqa: E402

pytestmark = pytest.mark.timeout(600)
KNOWN = "THREE.BufferGeometry.computeBoundingSphere(): Computed radius is NaN"
"""viser 1.1.1 says this for any Gaussian splats: their attribute `position` has two numbers a corner."""
SIZE = {"width": 960, "height": 540}
METHOD, LOCAL, GLOBAL = "pca_all+sldc_gauss_xyz", "sldc_gauss_xyz", "pca_all"
HEAD_BOX, CORNER_BOX = (320, 100, 560, 450), (0, 500, 60, 540)
"""The head, between viser's word on software rendering, which comes when it likes, and the panel; the empty stage."""
FRAME = ("E000", "000000")


@dataclass
class Opened:
    """A page in the browser."""

    viewer: Page
    tab: Any
    complaints: list[str] = field(default_factory=list)

    def seen(self, box: tuple[int, int, int, int]) -> np.ndarray:
        shot = Image.open(io.BytesIO(self.tab.screenshot())).convert("RGB")
        return np.asarray(shot.crop(box)).astype(int)

    def settled(self) -> np.ndarray:
        """The head, coloured as seen from where the tab's camera is, once two looks at it agree."""
        show = self.viewer.show
        self.until(lambda: show.eye is not None and not show.eye_moved, "the tab does not say where its camera is")
        before = self.seen(HEAD_BOX)
        for _ in range(150):
            self.tab.wait_for_timeout(300)
            after = self.seen(HEAD_BOX)
            if np.abs(after - before).max() <= 2:
                return after
            before = after
        raise AssertionError("the picture does not come to rest")

    def until(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + 90.0
        while not condition():
            assert time.monotonic() < end, what
            self.tab.wait_for_timeout(100)

    def open_tab(self, name: str) -> None:
        self.tab.get_by_role("tab", name=name).click()


def a_run(folder: Path) -> Path:
    """What the page reads of a finished run, beside its components."""
    expression, frame = FRAME
    cameras = planted.cameras()
    write_cameras(folder / "dataset" / "cameras.json", cameras)
    row = FrameRow(expression=expression, frame=frame, role="train", image_count=3, mesh="", pose="", neutral=True)
    write_frames(folder / "frames.csv", [row])
    place = folder / "dataset" / expression / frame
    place.mkdir(parents=True)
    write_pose(place / f"{frame}_transform.txt", np.eye(4)[:3])
    gray = np.full((cameras.height, cameras.width), 128, dtype=np.uint8)
    for name in cameras.names:
        write_photograph(place / f"{name}.png", np.stack([gray] * 3, axis=-1), np.full_like(gray, 255))
    return folder


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
    viewer = Page(server, a_run(tmp_path_factory.mktemp("planted")), {METHOD: heads.head(2)})
    viewer.start()
    with browser.chromium() as chromium:
        tab = chromium.new_page(viewport=SIZE)
        tab.set_default_timeout(90_000)
        page = Opened(viewer, tab)
        tab.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        tab.on("pageerror", lambda error: page.complaints.append(str(error)))
        tab.goto(f"http://127.0.0.1:{server.get_port()}/")
        tab.get_by_text("Components").first.wait_for(timeout=180_000)
        page.until(lambda: np.ptp(page.seen(HEAD_BOX)) > 50, "no head appears")
        page.settled()
        yield page
    viewer.close()


@pytest.fixture
def page(opened: Opened) -> Opened:
    opened.open_tab("Pose")
    opened.viewer.session.reset()
    opened.settled()
    return opened


def test_the_page_opens_on_this_machine_only_and_without_complaints(page):
    assert page.viewer.server.get_host() == "127.0.0.1"
    assert [text for text in page.complaints if KNOWN not in text] == []


def test_a_slider_moves_the_head_and_nothing_else(page):
    before, corner = page.settled(), page.seen(CORNER_BOX)
    number = page.tab.locator("input[inputmode=decimal]:visible").first  # beside the first slider
    number.fill("0.9")
    number.press("Enter")
    page.until(lambda: page.viewer.session.pose[GLOBAL][0] > 0.5, "the slider does not reach the pose")
    page.until(lambda: np.abs(page.seen(HEAD_BOX) - before).max() > 40, "the head does not move")
    assert np.abs(page.seen(CORNER_BOX) - corner).max() <= 2
    page.tab.get_by_role("button", name="neutral").click()
    page.until(lambda: not page.viewer.session.pose[GLOBAL].any(), "the button does not reach the pose")
    page.until(lambda: np.abs(page.seen(HEAD_BOX) - before).max() <= 2, "the head does not go back")


def a_point_to_drag(page: Opened) -> tuple[int, np.ndarray, np.ndarray]:
    """A Gaussian that local components move sideways, where it is on the screen, and which way it goes there."""
    head = page.viewer.method.head
    on_screen = SIZE["height"] / 2 / np.tan(np.radians(FOV_DEGREES / 2)) / (START_MM - head.base.means[:, 2:])
    pixels = [SIZE["width"] / 2, SIZE["height"] / 2] + head.base.means[:, :2] * on_screen * [1, -1]
    free = (head.base.means[:, 2] > 30) & (pixels[:, 0] < 520) & (pixels[:, 1] > 170)
    moved = np.stack([head.gaussians({LOCAL: weights}).means - head.base.means for weights in np.eye(5)])[:, :, :2]
    component, vertex = divmod(int((np.linalg.norm(moved, axis=2) * free).argmax()), len(free))
    way = moved[component, vertex] * [1, -1]
    return vertex, pixels[vertex], way / np.linalg.norm(way)


def test_dragging_a_point_solves_for_weights(page):
    before = page.settled()
    vertex, place, way = a_point_to_drag(page)
    page.open_tab("Drag")
    page.tab.get_by_label("Drag points").check()
    page.tab.wait_for_timeout(500)
    page.tab.mouse.click(*place)
    page.until(lambda: page.viewer.held is not None, "the click does not take hold of a point")
    assert page.viewer.held == vertex
    page.settled()
    page.tab.mouse.move(*(place + 1))
    page.tab.wait_for_timeout(500)
    page.tab.mouse.down()
    for step in range(1, 7):
        page.tab.mouse.move(*(place + 2 * step * way))
        page.tab.wait_for_timeout(100)
    page.until(lambda: page.viewer.session.pose[LOCAL].max() > 0.05, "the drag does not reach the pose")
    page.tab.mouse.up()
    page.until(lambda: not page.viewer.session.dragging, "the point is not let go")
    weights = page.viewer.session.pose[LOCAL]
    assert weights.min() >= 0.0 and weights.max() <= 1.0
    moved = page.viewer.session.place(vertex) - page.viewer.method.head.base.means[vertex]
    assert moved[:2] @ (way * [1, -1]) > 1.0
    assert np.abs(page.settled() - before).max() > 20
    page.tab.get_by_label("Drag points").uncheck()


def test_coefficients_come_from_a_file_and_a_malformed_one_is_refused_in_a_sentence(page, tmp_path):
    pose = {GLOBAL: np.array([0.5, 0.0, -0.5, 0.0]), LOCAL: np.array([0.0, 0.25, 0.0, 0.0, 1.0])}
    panels = page.viewer.method.head.panels
    (tmp_path / "pose.json").write_text(coefficients_text("planted", panels, pose), encoding="utf-8")
    page.tab.locator("input[type=file]").first.set_input_files(tmp_path / "pose.json")
    page.until(lambda: np.allclose(page.viewer.session.pose[LOCAL], pose[LOCAL]), "the file does not reach the pose")
    (tmp_path / "bad.json").write_text((tmp_path / "pose.json").read_text().replace("0.25", '"much"'))
    page.tab.locator("input[type=file]").first.set_input_files(tmp_path / "bad.json")
    page.tab.get_by_text("expected a finite number, got 'much'").wait_for(timeout=90_000)
    assert np.allclose(page.viewer.session.pose[LOCAL], pose[LOCAL])


def test_bad_input_is_said_and_the_page_goes_on(page, monkeypatch):
    def refuse() -> None:
        monkeypatch.undo()
        raise InputError("planted: nothing that can be shown.")

    monkeypatch.setattr(page.viewer, "_refresh", refuse)
    page.viewer.session.changed.set()
    page.tab.get_by_text("planted: nothing that can be shown.").wait_for(timeout=90_000)
    sent = page.viewer.updates
    page.viewer.session.set_weight(LOCAL, 0, 0.5)
    page.until(lambda: page.viewer.updates > sent, "the page stands still")


def test_a_track_plays(page, tmp_path):
    panel = page.viewer.method.head.panels[LOCAL]
    track = Track(np.array([0.0, 0.5]), panel.names, np.eye(2, 5), LOCAL, "planted")
    write_track(tmp_path / "track.csv", track)
    page.open_tab("Tracks")
    sent = page.viewer.updates
    page.tab.locator("input[type=file]:not([disabled])").last.set_input_files(tmp_path / "track.csv")
    page.until(lambda: np.allclose(page.viewer.session.pose[LOCAL], track.weights[1]), "the track does not play")
    page.until(lambda: page.viewer.updates > sent, "nothing is sent")


def test_a_photograph_stands_beside_the_render(page):
    page.viewer.show.photo = ("/".join(FRAME), "cam1")
    page.viewer.session.changed.set()
    page.until(lambda: page.viewer.picture.visible, "no picture")
    pair = page.viewer.photographs.beside("/".join(FRAME), "cam1", page.viewer.method.head.base)
    width = pair.shape[1] // 2
    assert (np.abs(pair[:, :width].astype(int) - 128) <= 1).all() and np.ptp(pair[:, width:]) > 50
    page.viewer.show.photo = None


def test_a_heat_map_takes_the_place_of_the_colors(page):
    before = page.settled()
    page.viewer.show.heat = (LOCAL, 2)
    page.viewer.session.changed.set()
    page.until(lambda: np.abs(page.seen(HEAD_BOX) - before).max() > 40, "no heat map")
    assert "mm at the end of its slider" in page.viewer.heat_caption(LOCAL, 2)
    page.viewer.show.heat = None
