from types import SimpleNamespace

import numpy as np
import pytest
import torch

import planted
from splatrig.animation.render import render
from splatrig.animation.rig import Rig
from splatrig.evaluation.image_space import load_views, score, score_method


class Photographs:
    """Stands for the restructured dataset: photographs are renders of the true frames, posed as head space."""

    def __init__(self, rig, data, cameras):
        self._frames = {name: rig.from_row(row) for name, row in zip(data.frames, data.X, strict=True)}
        self._cameras = cameras

    def load(self, expression, frame):
        images, alphas = render(self._frames[f"{expression}/{frame}"], self._cameras)
        straight = images / np.maximum(alphas, 1e-3)
        pixels = np.concatenate([straight, alphas], axis=-1)
        return SimpleNamespace(
            cameras=self._cameras, images=torch.from_numpy((pixels.clip(0, 1) * 255).round().astype(np.uint8))
        )


@pytest.fixture(scope="module")
def scene():
    made = planted.head()
    parts = planted.components(made, frames=6)
    data = planted.rows(parts)
    rig = Rig(parts, made.neutral)
    return made, parts, data, Photographs(rig, data, planted.cameras(2))


def test_photographs_are_composited_onto_black(scene):
    _, _, data, source = scene
    views = load_views(source, data.frames[1])
    assert views.photographs.shape == (2, 60, 40, 3)
    assert float(views.photographs[~views.inside].max()) < 0.9
    assert float(views.photographs[0, 0, 0].max()) == 0.0
    assert 0.1 < float(views.inside.float().mean()) < 0.9


def test_the_true_frame_scores_high_and_another_one_lower(scene):
    made, parts, data, source = scene
    rig = Rig(parts, made.neutral)
    views = load_views(source, data.frames[4])
    own, other = score(rig.from_row(data.X[4]), views), score(rig.from_row(data.X[0]), views)
    assert [found.camera for found in own] == ["cam0", "cam1"]
    assert min(found.psnr for found in own) > 40.0
    assert max(found.psnr for found in other) < min(found.psnr for found in own) - 5.0
    assert max(found.ssim for found in other) < min(found.ssim for found in own)


def test_all_planted_components_score_best(scene):
    made, parts, data, source = scene
    table = score_method(parts, made.neutral, data, source, [1, 3])
    assert set(table["k"]) == {1, 3}
    assert len(table) == 2 * 2 * 2  # two k, the peaks of two expressions, two cameras
    means = table.groupby("k")["psnr"].mean()
    assert means[3] > 40.0 > means[1]
