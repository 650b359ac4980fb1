"""The page in a browser: slider motion recorded as a track, and heat maps of components."""

import numpy as np
import pytest
from matplotlib import colormaps

from splatrig.animation.heatmap import COLORS
from splatrig.control.track import read_track
from support.web_page import CAMERAS, HEAD, LOCAL, Opened

FIRST = HEAD.panels["pca_all"].count


def slide(opened: Opened, component: int, key: str) -> None:
    slider = opened.page.locator(f"input[data-component='{component}']")
    slider.focus()
    slider.press(key)


def test_what_is_recorded_is_played_and_saved_as_a_track_that_python_reads(opened, tmp_path):
    tracks = opened.page.locator("#track option").count()
    opened.page.locator("#record").click()
    assert opened.page.locator("#record").inner_text() == "Stop"
    slide(opened, FIRST, "End")
    slide(opened, FIRST + 1, "End")
    shown = opened.weights()[FIRST:]
    opened.page.locator("#record").click()
    said, wrong = opened.message()
    assert not wrong and said.startswith("Recorded")
    assert opened.page.locator("#track option").count() == tracks + 1
    opened.call("(head) => head.player.seek(1e9)")
    np.testing.assert_array_equal(opened.weights()[FIRST:], shown)
    with opened.page.expect_download() as download:
        opened.page.locator("#save-track").click()
    path = tmp_path / download.value.suggested_filename
    assert path.suffix == ".csv"
    download.value.save_as(path)
    track = read_track(path)
    panel = HEAD.panels[LOCAL]
    assert (track.family, track.subject, track.names) == (LOCAL, "planted", panel.names)
    assert track.times[0] == 0.0
    assert not track.weights[0].any()
    np.testing.assert_array_equal(track.weights[-1], shown)
    steps = [list(np.flatnonzero(row)) for row in track.weights]
    assert [0] in steps and steps[-1] == [0, 1]  # every pose on the way


def test_a_track_is_recorded_for_each_family_that_moves_and_none_where_nothing_does(opened):
    tracks = opened.page.locator("#track option").count()
    for _ in range(2):
        opened.page.locator("#record").click()
    assert opened.message() == ("Nothing moved, so nothing was recorded.", False)
    opened.page.locator("#record").click()
    slide(opened, 0, "End")
    slide(opened, FIRST, "End")
    opened.page.locator("#record").click()
    assert opened.page.locator("#track option").count() == tracks + 2


def hue_of(picture: np.ndarray) -> np.ndarray:
    return picture.max(axis=-1) - picture.min(axis=-1)


def test_a_heat_map_colors_what_the_component_moves_and_nothing_else(opened):
    component = FIRST + 2
    opened.page.locator("#heat").select_option(str(component))
    seen = opened.picture(CAMERAS.names[0])
    most = float(opened.page.locator("#heat-most").inner_text().split(" mm")[0])
    components = HEAD.families[LOCAL].rig.components
    lengths = np.linalg.norm(components.displacements[2], axis=1)
    assert most == pytest.approx(HEAD.panels[LOCAL].high[2] * lengths.max(), rel=0.05)
    camera = CAMERAS.select([0])
    facing = HEAD.base.means[:, 2] > 60
    pixels = (HEAD.base.means @ camera.viewmats[0, :3, :3].T + camera.viewmats[0, :3, 3]) @ camera.Ks[0].T
    columns, rows = (pixels[:, :2] / pixels[:, 2:]).astype(int).T
    inside = facing & (columns >= 0) & (columns < camera.width) & (rows >= 0) & (rows < camera.height)
    colored = np.zeros(len(facing))
    colored[inside] = hue_of(seen)[rows[inside], columns[inside]]
    moved, still = inside & (lengths > 0.5 * lengths.max()), inside & (lengths < 0.02 * lengths.max())
    assert colored[moved].min() > 0.25
    assert colored[still].max() < 0.15
    slide(opened, FIRST + 1, "End")  # the map follows the slider
    assert opened.page.locator("#heat").input_value() == str(FIRST + 1)
    opened.page.locator("#heat").select_option("")
    assert opened.page.locator("#heat-scale").is_hidden()
    assert hue_of(opened.picture(CAMERAS.names[0]))[rows[still], columns[still]].max() > 0.15


def test_heat_maps_have_the_colors_of_the_reports(opened):
    stops = opened.page.evaluate("import('splatrig/splats.js').then(({ HEAT }) => HEAT)")
    found = np.array([[float(value) for value in stop.split(",")] for stop in stops])
    expected = colormaps[COLORS.removesuffix("_r")](np.array([0.3, 0.45, 0.6, 0.75, 0.9, 1.0]))[:, :3]
    np.testing.assert_allclose(found, expected, atol=2e-3)
