"""The page in a browser: Gaussians that follow the skin, and opacities that move, are those of the rasterizer."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from splatrig.animation.render import render
from splatrig.components.rig import Rig
from splatrig.components.skin import skin_of
from splatrig.control.head import Family, Head
from splatrig.control.panel import panel_of
from splatrig.control.web.measure import psnr
from splatrig.gaussians.gaussians import Gaussians
from support import heads, planted
from support.web_page import CAMERAS, LOCAL, Opened, opened_in_browser, write_page

SAME_DB = 40.0
"""As in `test_web_head`; the page rounds what components do to the skin to 16 bits."""

CLEARLY_DB = 8.0
"""By how much the picture is nearer to what moves than to what stays as it is."""


def head_with_skin() -> Head:
    """Flat Gaussians on a sphere: one family moves centers alone, the other opacities, colors and centers."""
    made = planted.head(3)
    flat = np.tile(np.float32([0.4, 0.0, -1.5]), (len(made.neutral), 1))
    colors = (0.3 * made.neutral.sh0).astype(np.float32)
    neutral = replace(made.neutral, log_scales=made.neutral.log_scales + flat, sh0=colors)
    made = planted.Head(made.vertices, made.faces, neutral)
    skin = skin_of(made.vertices, made.faces)
    level = heads.template(made).levels["base"]
    families = {}
    for name, attributes, count in ((LOCAL, ("xyz",), 5), ("pca_opacity", ("xyz", "opacity", "f_dc"), 3)):
        parts = planted.components(made, family="pca", attributes=attributes, count=count)
        if name == "pca_opacity":
            gain = np.where(np.arange(parts.C.shape[1]) // len(neutral) == 3, 100.0, 0.3)  # xyz, then opacity
            parts = replace(parts, C=(gain * parts.C).astype(np.float32))
        panel = panel_of(name, parts, level, subject="planted", neutral_frame=parts.frames[0])
        families[name] = Family(Rig.of(parts, neutral, skin if name == LOCAL else None), panel)
    return Head("planted", families, heads.template(made))


HEAD = head_with_skin()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    path = tmp_path_factory.mktemp("skin") / "head.html"
    write_page(HEAD, path)
    with opened_in_browser(path.as_uri(), offline=True) as found:
        yield found
    assert found.errors == []


def seen(page: Opened, pose: dict[str, np.ndarray], camera: int) -> np.ndarray:
    page.call("(head, pose) => head.pose(pose)", {name: weights.tolist() for name, weights in pose.items()})
    return page.picture(CAMERAS.names[camera])


def decibels(picture: np.ndarray, gaussians: Gaussians, camera: int) -> float:
    expected, _ = render(gaussians, CAMERAS.select([camera]))
    return psnr(float(((picture - expected[0]) ** 2).mean()))


@pytest.mark.parametrize("camera", [0, 2])
def test_gaussians_turn_and_grow_with_the_skin(page, camera):
    pose = {LOCAL: 3 * np.array([1.0, 0.8, 1.0, 0.6, 1.0])}
    picture = seen(page, pose, camera)
    stiff = replace(HEAD.gaussians(pose), quats=HEAD.base.quats, log_scales=HEAD.base.log_scales)
    assert decibels(picture, HEAD.gaussians(pose), camera) > max(SAME_DB, decibels(picture, stiff, camera) + CLEARLY_DB)


def test_opacities_move(page):
    pose = {"pca_opacity": 2 * np.array([0.9, -0.5, 0.7])}
    picture = seen(page, pose, 0)
    still = replace(HEAD.gaussians(pose), logit_opacities=HEAD.base.logit_opacities)
    assert decibels(picture, HEAD.gaussians(pose), 0) > max(SAME_DB, decibels(picture, still, 0) + CLEARLY_DB)


def test_both_together(page):
    pose = {"pca_opacity": np.array([-0.9, 0.5, 0.2]), LOCAL: np.array([0.3, 1.0, 0.0, 1.0, 0.5])}
    assert decibels(seen(page, pose, 1), HEAD.gaussians(pose), 1) > SAME_DB
