"""The picture of the mask shows the mask."""

from dataclasses import replace

import numpy as np
from PIL import Image

from splatrig.animation.mask_picture import draw_mask
from splatrig.mesh.template import build_template
from support.ellipsoid import ellipsoid_head


def reddish(path):
    rgb = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return rgb[..., 0] > 1.5 * rgb[..., 2]


def test_more_mask_is_more_color_and_none_is_none(tmp_path):
    level = build_template(*ellipsoid_head(3), 0).levels["base"]
    order = level.vertices[:, 2].argsort().argsort() / len(level.vertices)
    shares = []
    for fraction in (0.0, 0.2, 0.6):
        draw_mask(tmp_path / "mask.png", replace(level, mask=order > 1.0 - fraction), "head")
        shares.append(reddish(tmp_path / "mask.png").mean())
    assert shares[0] == 0
    assert 0.02 < shares[1] < shares[2]


def test_the_mask_is_in_the_middle_of_the_front_view_and_on_the_left_of_the_side_view(tmp_path):
    level = build_template(*ellipsoid_head(4), 0, fraction=0.2).levels["base"]
    draw_mask(tmp_path / "mask.png", level, "head")
    columns = np.nonzero(reddish(tmp_path / "mask.png").any(axis=0))[0] / reddish(tmp_path / "mask.png").shape[1]
    front, side = columns[columns < 1 / 3], columns[columns > 2 / 3]
    assert abs(front.mean() - 1 / 6) < 0.03
    assert side.mean() < 5 / 6 - 0.03
