"""The page in a browser: what it shows, sliders, expressions and tracks."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from splatrig.animation.render import render
from splatrig.control.web.measure import psnr
from support import planted
from support.web_page import CAMERAS, HEAD, LOCAL, TRACK

SAME_DB = 40.0
"""The page blends in 8 bits, which clip the planted colors outside of [0, 1]; on the demo they are 52 dB apart."""


def test_the_page_opens_from_disk_without_a_network_and_without_errors(opened):
    assert opened.page.locator("body").get_attribute("data-state") == "ready"
    assert opened.errors == []
    assert [url for url in opened.requests if not url.startswith(("file:", "blob:", "data:"))] == []
    assert opened.requests[0].startswith("file:")


@pytest.mark.parametrize("camera", [0, 2])
@pytest.mark.parametrize("posed", [False, True])
def test_the_picture_is_the_rasterizers(opened, camera, posed):
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
    component = 2  # the first center, upwards
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
