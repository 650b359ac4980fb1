"""What the user does beside posing: undo, the keyboard, pins without a keyboard, light and dark."""

import numpy as np
import pytest

from splatrig.control.labels import component_label
from support.web_page import CENTERS_MM, HEAD, LOCAL

FIRST = HEAD.panels["pca_all"].count
ORBIT = "(head) => head.view.orbit.position.toArray()"


def press(opened, component: int, key: str) -> np.ndarray:
    slider = opened.page.locator(f"input[data-component='{component}']")
    slider.focus()
    slider.press(key)
    return opened.weights()


def test_every_finished_move_can_be_undone_and_done_again(opened):
    rest = opened.weights()
    first = press(opened, FIRST, "End")
    second = press(opened, 0, "Home")
    expression = opened.page.locator("#presets button").nth(1)
    expression.click()
    third = opened.weights()
    for expected in (second, first, rest):
        opened.page.keyboard.press("Control+z")
        assert np.array_equal(opened.weights(), expected)
    for expected in (first, second, third):
        opened.page.locator("#redo").click()
        assert np.array_equal(opened.weights(), expected)
    assert opened.page.locator("#redo").is_disabled()
    opened.page.locator("#undo").click()
    press(opened, 1, "End")
    assert opened.page.locator("#redo").is_disabled()  # another way was taken


def test_a_drag_and_a_track_that_played_are_one_move_each(opened):
    drag = """(head, point) => {
        const view = head.view.projector(320, 320);
        head.drag.hold(head.drag.find(...view(point).slice(0, 2)));
        for (const step of [1, 2, 3]) head.drag.to(head.drag.held.from.map((x, axis) => x + (axis === 1 ? step : 0)));
        head.drag.release();
    }"""
    rest = opened.weights()
    opened.call(drag, CENTERS_MM[0].tolist())
    dragged = opened.weights()
    opened.page.locator("#play").click()
    opened.page.wait_for_timeout(300)
    opened.page.locator("#play").click()
    assert not np.array_equal(opened.weights(), dragged)
    opened.page.locator("#undo").click()
    assert np.array_equal(opened.weights(), dragged)
    opened.page.locator("#undo").click()
    assert np.array_equal(opened.weights(), rest)


@pytest.mark.parametrize(("key", "axis", "sign"), [("ArrowRight", 0, 1), ("ArrowLeft", 0, -1), ("ArrowUp", 1, 1)])
def test_arrow_keys_turn_the_head(opened, key, axis, sign):
    before = np.array(opened.call(ORBIT))
    opened.page.locator("#view").focus()
    opened.page.keyboard.press(key)
    after = np.array(opened.call(ORBIT))
    center = np.array(opened.call("(head) => head.view.controls.target.toArray()"))
    assert sign * (after - before)[axis] > 1.0
    assert np.linalg.norm(after - center) == pytest.approx(np.linalg.norm(before - center))


def test_plus_zooms_in_and_space_plays(opened):
    before = np.array(opened.call(ORBIT))
    opened.page.locator("#view").focus()
    opened.page.keyboard.press("+")
    assert opened.call(ORBIT)[2] < before[2]
    opened.page.keyboard.press(" ")
    assert opened.call("(head) => head.player.playing")
    opened.page.keyboard.press(" ")
    assert not opened.call("(head) => head.player.playing")


def test_points_are_pinned_without_a_keyboard(opened):
    box = opened.page.locator("#view").bounding_box()
    x, y, _ = opened.call("(head, point) => head.view.projector(320, 320)(point)", CENTERS_MM[0].tolist())
    button = opened.page.locator("#pin")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    opened.page.mouse.click(box["x"] + x, box["y"] + y)
    button.click()
    assert opened.call("(head) => head.drag.pins.length") == 1
    assert not opened.weights().any()
    opened.page.locator("#unpin").click()


def test_the_page_is_light_or_dark_as_the_system(opened):
    corners = {}
    for scheme in ("light", "dark"):
        opened.page.emulate_media(color_scheme=scheme)
        opened.call("(head) => head.settled()")
        stage = opened.page.screenshot(clip={"x": 2, "y": 2, "width": 4, "height": 4})
        panel = opened.page.evaluate("getComputedStyle(document.querySelector('aside')).backgroundColor")
        corners[scheme] = (stage, panel)
    assert corners["light"][0] != corners["dark"][0]
    assert corners["light"][1] != corners["dark"][1]


def test_labels_beside_sliders_are_those_of_python(opened):
    shown = opened.page.locator(f"details[data-family={LOCAL}] .slider span").all_inner_texts()
    assert [text.strip() for text in shown] == [
        " ".join(component_label(name)).strip() for name in HEAD.panels[LOCAL].names
    ]
