"""The page in a browser: headless Chromium, opened from disk, without a network."""

import base64
import io
import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation
from scipy.optimize import lsq_linear

import browser
import planted
import web_renderer
from control import heads
from splatrig.animation.render import render
from splatrig.animation.rig import Rig
from splatrig.control.coefficients import coefficients_text, read_coefficients
from splatrig.control.filters import tour
from splatrig.control.head import Family, Head, head_of
from splatrig.control.panel import panel_of
from splatrig.control.track import read_track, write_track
from splatrig.control.web.measure import cost_of, psnr
from splatrig.control.web.pack import pack_head
from splatrig.control.web.page import build_page, footer_of, header_of
from splatrig.errors import InputError

LOCAL = "sldc_gauss_xyz"
CENTERS_MM = np.array([[-30.0, 20.0, 82.0], [30.0, -15.0, 83.0]])
"""Where local components act: on the side of the sphere that looks at the viewer."""
DIRECTIONS = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
WIDTH_MM = 20.0


def local_family(made: planted.Head) -> Family:
    """Around each centre, four components that only push: right, left, up and down, 10 mm at most."""
    distance = np.linalg.norm(made.vertices[None] - CENTERS_MM[:, None], axis=2)
    falloff = np.exp(-0.5 * (distance / WIDTH_MM) ** 2) * (distance < 2.5 * WIDTH_MM)
    fields = 10.0 * falloff[:, None, :, None] * DIRECTIONS[None, :, None, :]  # [2, 4, N, 3]
    parts = planted.components(made, count=8)
    parts = replace(parts, C=(fields.reshape(8, -1) / parts.std).astype(np.float32))
    level = heads.template(made).levels["base"]
    return Family(
        Rig(parts, made.neutral), panel_of(LOCAL, parts, level, subject="planted", neutral_frame=parts.frames[0])
    )


def planted_head() -> Head:
    made = planted.head(3)
    families = {
        "pca_all": heads.family(made, "pca_all", family="pca", attributes=planted.JOINT, count=4, seed=3),
        LOCAL: local_family(made),
    }
    return head_of("planted", families, heads.template(made))


HEAD = planted_head()
CAMERAS = planted.cameras(3, width=40, height=60).scaled(4)
TRACK = tour(HEAD.panels["pca_all"], rate=10, move_s=0.3, hold_s=0.1)
STAGE, PANEL = 320, 420
"""Pixels: the side of the picture, and the width of what is beside it (style.css)."""
READY = "body[data-state=ready], body[data-state=failed]"

SAME_DB = 40.0
"""The page blends in 8 bits, which clip the planted colours outside of [0, 1]; on the demo they are 52 dB apart."""


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
        """Return the picture in [0, 1] at the size of the calibrated cameras, on black."""
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
        with Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))) as image:
            return np.asarray(image.convert("RGB"), dtype=np.float64) / 255

    def weights(self) -> NDArray[np.float64]:
        """Return all weights, families one after the other."""
        return np.array(self.call("(head) => Array.from(head.rig.weights)"))

    def message(self) -> tuple[str, bool]:
        """Return what the page says, and whether as an error."""
        line = self.page.locator("#message")
        return line.inner_text(), line.get_attribute("class") == "error"


def write_page(head: Head, path: Any) -> None:
    packed = pack_head(head)
    header, blob = header_of(head, packed, CAMERAS, {"tour": TRACK}, heads.DRAG)
    footer = footer_of(head, packed, cost_of(head, packed, CAMERAS.select([0])), "")
    page = build_page(
        header,
        blob,
        title="planted",
        footer=footer,
        sources=web_renderer.SOURCES,
        renderer=web_renderer.renderer_path(),
    )
    path.write_text(page, encoding="utf-8")


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    path = tmp_path_factory.mktemp("web") / "head.html"
    write_page(HEAD, path)
    with browser.chromium() as chromium:
        page = chromium.new_page(viewport={"width": STAGE + PANEL, "height": STAGE}, offline=True)
        page.set_default_timeout(60_000)
        found = Opened(page)
        page.on("console", lambda said: found.errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: found.errors.append(str(error)))
        page.on("request", lambda request: found.requests.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector(READY)
        yield found


@pytest.fixture(autouse=True)
def at_rest(opened):
    opened.page.locator("#reset").click()
    opened.page.locator("#drag-with").select_option(LOCAL)
    opened.call("(head, side) => { head.view.front(); head.resize(side, side, 1); }", STAGE)


def test_the_page_opens_from_disk_without_a_network_and_without_errors(opened):
    assert opened.page.locator("body").get_attribute("data-state") == "ready"
    assert opened.errors == []
    assert [url for url in opened.requests if not url.startswith(("file:", "blob:", "data:"))] == []
    assert opened.requests[0].startswith("file:")


@pytest.mark.parametrize("camera", [0, 2])
@pytest.mark.parametrize("posed", [False, True])
def test_the_picture_is_the_rasterisers(opened, camera, posed):
    pose = {name: next(reversed(panel.presets.values())) for name, panel in HEAD.panels.items()} if posed else {}
    opened.call("(head, pose) => head.pose(pose)", {name: list(weights) for name, weights in pose.items()})
    seen = opened.picture(CAMERAS.names[camera])
    expected, _ = render(HEAD.gaussians(pose), CAMERAS.select([camera]))
    assert expected.max() > 0.3
    assert psnr(float(((seen - expected[0]) ** 2).mean())) > SAME_DB


def test_every_component_has_a_slider_with_its_name_and_range(opened):
    sliders = opened.page.locator("input[data-component]")
    names = [name for panel in HEAD.panels.values() for name in panel.names]
    assert sliders.count() == len(names)
    ends = np.concatenate([panel.high for panel in HEAD.panels.values()])
    for index, name in enumerate(names):
        slider = opened.page.locator(f"input[data-component='{index}']")
        assert float(slider.get_attribute("max")) == pytest.approx(ends[index], rel=1e-5)
        assert slider.locator("xpath=..").get_attribute("title").startswith(name)


def region_of(component: int, camera: int) -> NDArray[np.bool_]:  # [H, W]
    """Return the pixels where a local component can change the picture: Gaussians that it moves, there and back."""
    panel = HEAD.panels[LOCAL]
    pose = {LOCAL: np.where(np.arange(panel.count) == component, panel.high, 0.0)}
    moved = np.abs(HEAD.gaussians(pose).means - HEAD.base.means).max(axis=1) > 1e-6
    region = np.zeros((CAMERAS.height, CAMERAS.width), dtype=bool)
    for means in (HEAD.base.means[moved], HEAD.gaussians(pose).means[moved]):
        seen = means @ CAMERAS.viewmats[camera, :3, :3].T + CAMERAS.viewmats[camera, :3, 3]
        pixels = (seen @ CAMERAS.Ks[camera].T)[:, :2] / seen[:, 2:]
        columns, rows = np.clip(pixels.astype(int), 0, [CAMERAS.width - 1, CAMERAS.height - 1]).T
        region[rows, columns] = True
    spacing_mm = planted.RADIUS_MM * np.sqrt(4 * np.pi / len(HEAD.base))
    reach = int(np.ceil(3.4 * spacing_mm / 2 * CAMERAS.Ks[camera, 0, 0] / 500)) + 2  # 3.33 σ of σ = spacing / 2
    return binary_dilation(region, np.ones((3, 3)), iterations=reach)


def test_a_slider_moves_pixels_where_its_component_acts_and_nowhere_else(opened):
    camera = 0
    component = 2  # the first centre, upwards
    before = opened.picture(CAMERAS.names[camera])
    index = HEAD.panels["pca_all"].count + component
    slider = opened.page.locator(f"input[data-component='{index}']")
    slider.focus()
    slider.press("End")
    assert opened.weights()[index] == pytest.approx(HEAD.panels[LOCAL].high[component], rel=1e-5)
    assert np.count_nonzero(opened.weights()) == 1
    changed = np.abs(opened.picture(CAMERAS.names[camera]) - before).max(axis=2) > 2 / 255
    region = region_of(component, camera)
    assert region.mean() < 0.6
    assert changed.sum() > 100
    assert not (changed & ~region).any()
    slider.press("Home")
    assert np.array_equal(opened.picture(CAMERAS.names[camera]), before)


def test_an_expression_is_posed_by_its_button(opened):
    panel = HEAD.panels["pca_all"]
    expression = list(panel.presets)[-1]
    opened.page.locator(f"#presets button[title='{expression}']").click()
    expected = np.concatenate([panel.presets[expression], np.zeros(HEAD.panels[LOCAL].count)])
    np.testing.assert_allclose(opened.weights(), expected, rtol=1e-6, atol=1e-9)
    opened.page.locator("#reset").click()
    assert not opened.weights().any()


@pytest.mark.parametrize("seed", range(6))
def test_the_solver_agrees_with_scipy(opened, seed):
    generator = np.random.default_rng(seed)
    count, rows = int(generator.integers(4, 50)), 3 * int(generator.integers(1, 4))
    A, b = generator.normal(size=(rows, count)), 5 * generator.normal(size=rows)
    low = np.where(generator.random(count) < 0.5, 0.0, -1.0)
    high = low + generator.uniform(0.5, 2.0, count)
    start, spread, ridge = generator.uniform(low, high), generator.uniform(0.2, 2.0, count), 0.05
    options = {"low": low, "high": high, "start": start, "spread": spread}
    listed = {key: values.tolist() for key, values in options.items()} | {"ridge": ridge}
    found = opened.call(
        "(head, A, b, options) => Array.from(head.solveBounded(A, b, options))", A.tolist(), b.tolist(), listed
    )
    pull = np.diag(np.sqrt(ridge) / spread)
    expected = lsq_linear(
        np.vstack([A, pull]), np.concatenate([b, pull @ start]), bounds=(low, high), method="bvls", tol=1e-14
    ).x
    np.testing.assert_allclose(found, expected, atol=1e-6)


DRAG = """(head, point, by) => {
    const found = head.drag.find(...head.view.projector(320, 320)(point).slice(0, 2));
    head.drag.hold(found);
    const from = head.drag.held.from;
    const target = from.map((value, axis) => value + by[axis]);
    head.drag.to(target);
    const to = head.rig.pointAt(found);
    head.drag.release();
    return { from, to, target };
}"""


def missed(done: dict[str, list[float]]) -> float:
    """Return how far a dragged point is from its target, relative to the drag."""
    drag = np.linalg.norm(np.subtract(done["target"], done["from"]))
    return float(np.linalg.norm(np.subtract(done["to"], done["target"])) / drag)


@pytest.mark.parametrize("by", [[4.0, 0.0, 0.0], [-3.0, 5.0, 0.0], [0.0, -6.0, 0.0]])
def test_a_dragged_point_follows_where_the_components_can_take_it(opened, by):
    done = opened.call(DRAG, CENTERS_MM[0].tolist(), by)
    np.testing.assert_allclose(done["from"], CENTERS_MM[0], atol=4.0)
    assert missed(done) < 0.05
    weights = opened.weights()[HEAD.panels["pca_all"].count :]
    assert (weights >= 0).all()
    assert (weights <= 1.0).all()
    assert weights[4:].max() < 0.2 * weights[:4].max()  # the other centre is far


def test_a_drag_out_of_reach_goes_as_far_as_the_components_go(opened):
    done = opened.call(DRAG, CENTERS_MM[0].tolist(), [40.0, 0.0, 0.0])
    assert missed(done) > 0.5
    weights = opened.weights()[HEAD.panels["pca_all"].count :]
    assert weights[0] == 1.0
    assert weights[1] == 0.0


def test_a_pinned_point_stays_where_a_free_one_is_taken_along(opened):
    beside = (CENTERS_MM[0] + [12.0, 0.0, 3.0]).tolist()
    find = """(head, point) => {
        head.found = head.drag.find(...head.view.projector(320, 320)(point).slice(0, 2));
        return head.rig.pointAt(head.found);
    }"""
    before = opened.call(find, beside)

    def moved() -> float:
        opened.call(DRAG, CENTERS_MM[0].tolist(), [0.0, 5.0, 0.0])
        return float(np.linalg.norm(np.subtract(opened.call("(head) => head.rig.pointAt(head.found)"), before)))

    free = moved()
    opened.page.locator("#reset").click()
    opened.call("(head) => head.drag.pin(head.found)")
    held = moved()
    assert free > 2.0
    assert held < 0.8 * free
    opened.page.locator("#unpin").click()
    assert opened.call("(head) => head.drag.pins.length") == 0


def test_the_mouse_drags_the_face_and_turns_the_head_beside_it(opened):
    box = opened.page.locator("#view").bounding_box()
    x, y, _ = opened.call("(head, point) => head.view.projector(320, 320)(point)", CENTERS_MM[1].tolist())
    view = opened.call("(head) => head.view.orbit.position.toArray()")
    opened.page.mouse.move(box["x"] + x, box["y"] + y)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + x + 6, box["y"] + y - 8, steps=3)
    done = opened.call(
        "(head) => ({ from: head.drag.held.from, to: head.rig.pointAt(head.drag.held), target: head.drag.held.target })"
    )
    opened.page.mouse.up()
    assert missed(done) < 0.05
    seen = opened.call("(head, point) => head.view.projector(320, 320)(point)", done["target"])
    np.testing.assert_allclose(seen[:2], [x + 6, y - 8], atol=2.0)
    held = opened.weights()
    assert held.any()
    opened.page.mouse.move(box["x"] + 10, box["y"] + 10)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 60, box["y"] + 10, steps=3)
    opened.page.mouse.up()
    assert np.array_equal(opened.weights(), held)
    assert np.linalg.norm(np.subtract(opened.call("(head) => head.view.orbit.position.toArray()"), view)) > 10


def test_a_track_plays_and_every_time_is_what_the_track_says(opened):
    for time in (0.0, 0.17, 0.5, TRACK.duration_s):
        opened.call("(head, time) => head.player.seek(time)", time)
        played = opened.weights()[: HEAD.panels["pca_all"].count]
        np.testing.assert_allclose(played, TRACK.at(TRACK.times[0] + time), atol=1e-6)
    opened.page.locator("#reset").click()
    before = opened.picture()
    opened.call("(head) => head.player.seek(0)")
    opened.page.locator("#play").click()
    opened.page.wait_for_timeout(700)
    assert opened.call("(head) => head.player.playing")
    opened.page.locator("#play").click()
    assert opened.call("(head) => head.player.time") > 0.1
    assert np.abs(opened.picture() - before).max() > 0.05


def choose(opened: Opened, path: Any) -> tuple[str, bool]:
    """Open a file in the page; return what it says."""
    opened.page.evaluate("document.getElementById('message').textContent = ''")
    opened.page.locator("#open").set_input_files(path)
    opened.page.locator("#message:not(:empty)").wait_for()
    return opened.message()


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_track_file_of_the_workflow_is_played(opened, tmp_path, suffix):
    write_track(tmp_path / f"mine.{suffix}", TRACK)
    said, wrong = choose(opened, tmp_path / f"mine.{suffix}")
    assert not wrong, said
    assert said.startswith(f"mine.{suffix}: {len(TRACK)} rows")
    assert opened.call("(head) => head.player.playing")
    opened.call("(head) => { head.player.stop(); head.player.seek(0.3); }")
    np.testing.assert_allclose(opened.weights()[:4], TRACK.at(TRACK.times[0] + 0.3), atol=1e-9)


def test_a_pose_goes_out_and_in_again(opened, tmp_path):
    pose = {name: panel.high * 0.5 for name, panel in HEAD.panels.items()}
    (tmp_path / "in.json").write_text(coefficients_text("planted", HEAD.panels, pose))
    said, wrong = choose(opened, tmp_path / "in.json")
    assert not wrong, said
    np.testing.assert_allclose(opened.weights(), np.concatenate(list(pose.values())), rtol=1e-12)
    with opened.page.expect_download() as download:
        opened.page.locator("#save").click()
    download.value.save_as(tmp_path / "out.json")
    back = read_coefficients(tmp_path / "out.json", HEAD.panels)
    for name, weights in pose.items():
        np.testing.assert_allclose(back[name], weights, rtol=1e-12)


def broken(**changes: object) -> str:
    document = {
        "format": "splatrig track",
        "format_version": 1,
        "family": TRACK.family,
        "subject": "planted",
        "source": "",
        "names": list(TRACK.names),
        "times_s": [0.0, 1.0],
        "weights": [[0.0] * 4, [1.0] * 4],
    }
    return json.dumps(document | changes)


COLUMNS = ",".join(f'"{name}"' for name in TRACK.names)
MALFORMED = {
    "a.txt": ("", "expected a file named .json or .csv"),
    "b.json": ("{", "expected JSON"),
    "c.json": ("[]", "key 'format': expected 'splatrig track'"),
    "d.json": (broken(format_version=9), "key 'format_version': expected 1, got 9"),
    "e.json": (broken(family="other"), 'no family "other"'),
    "f.json": (broken(names=["x"] * 4), "is missing"),
    "g.json": (broken(weights=[[0.0] * 4]), "expected 2 rows, one a time, got 1"),
    "h.json": (broken(weights=[[0.0] * 4, [1.0] * 3]), "weights[1]': expected 4 numbers, got 3"),
    "i.json": (broken(weights=[[0.0] * 4, [0, 0, "x", 0]]), "expected a finite number"),
    "j.json": (broken(times_s=[1.0, 1.0]), "expected increasing times"),
    "k.csv": ("", "expected a line of column names"),
    "l.csv": (f"# family: pca_all\ntime_s,{COLUMNS}\n", "expected at least one row"),
    "m.csv": (f"# family: pca_all\ntime_s,{COLUMNS}\n0,1,2,3\n", "line 3: expected 5 numbers, got 4"),
    "n.csv": (f"# family: pca_all\ntime_s,{COLUMNS}\n0,1,2,nan,4\n", "line 3, column"),
    "o.csv": (f"seconds,{COLUMNS}\n0,1,2,3,4\n", "line 1: expected the columns time_s"),
    "p.csv": (f"# format: splatrig track 7\ntime_s,{COLUMNS}\n0,1,2,3,4\n", "expected the format splatrig track 1"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_refused_with_a_sentence(opened, tmp_path, name):
    text, words = MALFORMED[name]
    (tmp_path / name).write_text(text)
    tracks = opened.page.locator("#track option").count()
    said, wrong = choose(opened, tmp_path / name)
    assert wrong
    assert said.startswith(name)
    assert words in said
    assert not opened.weights().any()
    assert opened.page.locator("#track option").count() == tracks
    if name not in ("e.json", "f.json"):  # which head it is for is not the file's fault
        with pytest.raises(InputError):
            read_track(tmp_path / name)


def test_a_malformed_pose_is_refused_with_a_sentence(opened, tmp_path):
    document = json.loads(coefficients_text("planted", HEAD.panels, heads.zeros(HEAD)))
    document["families"][LOCAL]["nobody"] = 1.0
    (tmp_path / "pose.json").write_text(json.dumps(document))
    said, wrong = choose(opened, tmp_path / "pose.json")
    assert (said, wrong) == (f"pose.json: component 'nobody' does not exist in {LOCAL}.", True)


def test_nothing_went_wrong_in_all_of_this(opened):
    assert opened.errors == []
