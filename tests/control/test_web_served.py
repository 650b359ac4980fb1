"""The page in a browser, served by its run: photographs and other families next to the head."""

import re
from collections.abc import Iterator
from threading import Thread

import numpy as np
import pytest

from splatrig.animation.render import render
from splatrig.control.serve.run import Run
from splatrig.control.serve.server import Server
from splatrig.control.web.measure import psnr
from support.finished_run import GRAY, HELD_OUT, MOVED, NEUTRAL, write_run
from support.web_page import CAMERAS, HEAD, LOCAL, Opened, opened_in_browser

SAME_DB = 40.0
"""As in `test_web_head`."""


@pytest.fixture(scope="module")
def page_of_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    run = Run(write_run(tmp_path_factory.mktemp("results") / "planted"))
    with Server(run, 0) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with opened_in_browser(server.address, offline=False) as found:
            yield found
        server.shutdown()
        thread.join()
    assert [url for url in found.requests if not url.startswith((server.address, "blob:", "data:"))] == []


@pytest.fixture
def served(page_of_run: Opened) -> Iterator[Opened]:
    for chooser in ("other", "frame", "camera"):
        page_of_run.page.locator(f"#{chooser}").select_option("")
    page_of_run.to_rest()
    yield page_of_run
    assert page_of_run.errors == []


def choose(served: Opened, **values: str) -> None:
    """Choose values of the comparison, and wait for the last of them to be shown."""
    for chooser, value in values.items():
        served.page.evaluate("document.getElementById('message').textContent = ''")
        served.page.locator(f"#{chooser.replace('_', '-')}").select_option(value)
        served.page.locator("#message", has_text=re.compile("^E00.*: ")).wait_for()
    served.call("(head) => head.settled()")


def test_a_page_from_disk_offers_no_comparison(opened):
    assert opened.page.locator("#compare").is_hidden()


def test_a_served_page_says_which_frames_and_families_there_are(served):
    assert served.page.locator("#compare").is_visible()
    assert served.page.locator("#frame option").all_inner_texts() == ["as posed", NEUTRAL, MOVED, HELD_OUT]
    values = served.page.locator("#other option").evaluate_all("(options) => options.map(({ value }) => value)")
    assert values == ["", "photograph", *sorted(HEAD.families)]


def test_a_frame_is_posed_and_seen_as_it_was_photographed(served):
    choose(served, frame=MOVED, own_family=LOCAL)
    components = HEAD.families[LOCAL].rig.components
    first = HEAD.panels["pca_all"].count
    np.testing.assert_allclose(
        served.weights()[first:], components.W[components.frames.index(MOVED)], rtol=1e-5, atol=1e-7
    )
    pose = {LOCAL: components.W[components.frames.index(MOVED)]}
    viewmats = served.call("(head) => head.view.cameras.map(({ viewmat }) => viewmat)")
    cameras = CAMERAS.in_head_space(np.hstack([np.eye(3), [[3.0], [0.0], [0.0]]]))
    np.testing.assert_allclose(np.reshape(viewmats, (-1, 4, 4)), cameras.viewmats, atol=1e-9)
    expected, _ = render(HEAD.gaussians(pose), cameras.select([1]))
    assert psnr(float(((served.picture(CAMERAS.names[1]) - expected[0]) ** 2).mean())) > SAME_DB


def test_the_photograph_covers_its_rendering_to_the_pixel_and_the_wipe_uncovers_it(served):
    choose(served, frame=MOVED, other="photograph")
    assert served.page.locator("#camera").input_value() == CAMERAS.names[0]
    box, stage = (served.page.locator(name).bounding_box() for name in ("#photograph", "#stage"))
    scale = min(stage["width"] / CAMERAS.width, stage["height"] / CAMERAS.height)
    assert box["width"] == pytest.approx(scale * CAMERAS.width, abs=0.5)
    assert box["x"] == pytest.approx(stage["x"] + (stage["width"] - box["width"]) / 2, abs=0.5)
    natural = served.page.evaluate(
        "[document.getElementById('photograph').naturalWidth, document.getElementById('photograph').naturalHeight]"
    )
    assert natural == [CAMERAS.width, CAMERAS.height]
    at = (box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"])
    for wipe, covered in (("0", True), ("1", False)):
        served.page.locator("#wipe").evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", wipe
        )
        seen = served.pixel(*at)
        assert (np.abs(seen - GRAY[MOVED]) <= 2).all() == covered
    served.page.locator("#front").click()
    served.call("(head) => head.settled()")
    assert served.page.locator("#photograph").is_hidden()  # which no other view can show


def test_the_wipe_is_dragged_by_its_handle_and_nothing_else_of_it_is_in_the_way(served):
    choose(served, frame=NEUTRAL, other="photograph")
    box = served.page.locator("#stage").bounding_box()
    middle = box["y"] + box["height"] - 44 - 24
    wipe = "Number(document.getElementById('wipe').value)"
    start = served.page.evaluate(wipe)
    served.page.mouse.move(box["x"] + 12 + start * (box["width"] - 24), middle)
    served.page.mouse.down()
    served.page.mouse.move(box["x"] + 0.25 * box["width"], middle, steps=3)
    served.page.mouse.up()
    assert served.page.evaluate(wipe) == pytest.approx(0.25, abs=0.03)
    seen = served.page.evaluate("([x, y]) => document.elementFromPoint(x, y).id", [box["x"] + 200, middle])
    assert seen == "view"


def test_another_family_is_packed_when_it_is_asked_for_and_shown_in_the_same_frame(served):
    choose(served, frame=MOVED, own_family="pca_all", other=LOCAL)
    components = HEAD.families[LOCAL].rig.components
    weights = served.call("(head) => Array.from(head.compare.head.rig.weights)")
    np.testing.assert_allclose(weights, components.W[components.frames.index(MOVED)], rtol=1e-6)
    before = served.call("(head) => head.compare.head.family")
    served.call("(head) => { head.view.choose('cam1'); head.resize(160, 240, 1); head.setBackground(0); }")
    served.call("(head) => head.snapshot()")
    url = served.call("(head) => { head.draw(); return head.compare.head.canvas.toDataURL('image/png'); }")
    cameras = CAMERAS.in_head_space(np.hstack([np.eye(3), [[3.0], [0.0], [0.0]]])).select([1])
    alone = HEAD.families[LOCAL].rig.pose(components.W[components.frames.index(MOVED)])
    expected, _ = render(alone, cameras)
    assert psnr(float(((served.decoded(url) - expected[0]) ** 2).mean())) > SAME_DB
    choose(served, own_family=LOCAL)
    assert served.call("(head) => head.compare.head.family") == before
    served.page.locator("#other").select_option("")
    served.call("(head) => head.settled()")
    assert served.page.locator("#over canvas").count() == 0


def test_another_camera_brings_its_photograph_and_the_free_view_none(served):
    choose(served, frame=MOVED, other="photograph")
    photograph = served.page.locator("#photograph")
    first = photograph.get_attribute("src")
    served.page.locator("#camera").select_option(CAMERAS.names[2])
    served.page.locator(f"#photograph:not([src='{first}'])").wait_for()
    assert [url for url in served.requests if "/photograph/" in url][-1].endswith(f"{MOVED}/{CAMERAS.names[2]}")
    served.page.locator("#camera").select_option("")
    served.call("(head) => head.settled()")
    assert photograph.is_hidden()


def test_a_frame_that_a_family_was_not_made_from_is_seen_but_not_posed(served):
    choose(served, frame=NEUTRAL, own_family="pca_all", other="photograph")
    before = served.weights()
    served.page.locator("#frame").select_option(HELD_OUT)
    served.page.locator("#message.error").wait_for()
    said, _ = served.message()
    served.errors[:] = [text for text in served.errors if "404" not in text]
    assert said.startswith(f"frame '{HELD_OUT}': expected one of the 12 that pca_all was made from, got another")
    assert served.page.locator("#photograph").is_visible()
    np.testing.assert_array_equal(served.weights(), before)


def test_a_frame_that_there_is_not_is_said(served):
    served.page.evaluate("document.getElementById('frame').add(new Option('E009/000009', 'E009/000009'))")
    served.page.locator("#frame").select_option("E009/000009")
    served.page.locator("#message.error").wait_for()
    assert "frame 'E009/000009': expected" in served.message()[0]
    assert [text for text in served.errors if "404" not in text] == []
    served.errors.clear()
    served.page.evaluate("document.getElementById('frame').lastChild.remove()")
