from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation
from sklearn.decomposition import PCA

from splatrig.components.fields import field_of
from splatrig.evaluation.coherence import (
    DISTANCES,
    SPECTRA,
    coherence_table,
    distances,
    draw_coherence,
    spectrum_table,
    summarized,
)
from splatrig.gaussians.gaussians import SH_C0, SHAPES, Gaussians
from splatrig.gaussians.store import FittedFrames, write_fitted_frames
from splatrig.io.errors import InputError

COUNT, FRAMES = 40, 7
FLOAT32 = 1e-4  # of sums of float32 rows


def _random(generator: np.random.Generator) -> Gaussians:
    fields = {name: generator.standard_normal((COUNT, *shape)).astype(np.float32) for name, shape in SHAPES.items()}
    return Gaussians(**fields)


@pytest.fixture
def neutral() -> Gaussians:
    return _random(np.random.default_rng(0))


def _store(path: Path, frames: list[Gaussians]) -> Path:
    names = tuple(f"{index:06d}" for index in range(len(frames)))
    metrics = pd.DataFrame(columns=["frame", "camera", "split", "region", "psnr", "ssim", "lpips"])
    write_fitted_frames(path, FittedFrames(path.stem, names, tuple(frames), metrics, {}))
    return path


def test_a_frame_is_at_no_distance_from_itself_whatever_the_sign_and_length_of_its_quaternions(neutral):
    turned = replace(neutral, quats=-2 * neutral.quats)
    for name, values in distances(turned, neutral).items():
        np.testing.assert_allclose(values, 0.0, atol=1e-3 if name == "rotation" else 0, err_msg=name)


def test_each_distance_is_that_of_the_change_that_was_made(neutral):
    turns = Rotation.from_rotvec(np.tile([0.0, np.radians(25), 0.0], (COUNT, 1)))
    quats = (turns * Rotation.from_quat(neutral.quats, scalar_first=True)).as_quat(scalar_first=True)
    changed = Gaussians(
        means=neutral.means + np.float32([3, 0, 4]),
        quats=quats.astype(np.float32),
        log_scales=neutral.log_scales - np.float32(0.5),
        logit_opacities=neutral.logit_opacities - np.float32(2),
        sh0=neutral.sh0 + np.float32(0.25 / SH_C0),
        shN=neutral.shN + np.float32(0.125),
    )
    expected = dict(zip(DISTANCES, (5.0, 25.0, 0.5, 2.0, 0.25, 0.125), strict=True))
    for name, values in distances(changed, neutral).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, err_msg=name)


def test_another_number_of_gaussians_is_refused(neutral):
    fewer = Gaussians(**{name: values[:-1] for name, values in neutral.items()})
    with pytest.raises(InputError, match="expected 40 Gaussians as in the neutral, got 39"):
        distances(fewer, neutral)


def test_the_table_has_median_and_tail_of_every_frame(neutral, tmp_path):
    generator = np.random.default_rng(1)
    frames = [_random(generator) for _ in range(3)]
    table = coherence_table(
        "warm", [_store(tmp_path / "E1.h5", frames[:1]), _store(tmp_path / "E2.h5", frames[1:])], neutral
    )
    assert len(table) == 3 * len(DISTANCES)
    row = table[(table["expression"] == "E2") & (table["frame"] == "000001") & (table["attribute"] == "opacity")].iloc[
        0
    ]
    apart = np.abs(frames[2].logit_opacities - neutral.logit_opacities)
    assert row["median"] == pytest.approx(np.median(apart), rel=1e-6)
    assert row["p95"] == pytest.approx(np.percentile(apart, 95), rel=1e-6)
    assert row["unit"] == "logit"


def test_the_spectrum_of_an_attribute_is_that_of_scikit_learn(tmp_path):
    generator = np.random.default_rng(2)
    frames = [_random(generator) for _ in range(FRAMES)]
    table = spectrum_table("warm", [_store(tmp_path / "E1.h5", frames[:3]), _store(tmp_path / "E2.h5", frames[3:])])
    for name in SPECTRA:
        rows = np.stack([getattr(frame, field_of(name)).ravel() for frame in frames])
        expected = np.cumsum(PCA().fit(rows.astype(np.float64)).explained_variance_ratio_)
        np.testing.assert_allclose(table[table["attribute"] == name]["explained"], expected[:-1], atol=1e-9)
    together = table[table["attribute"] == "all"]
    assert together["k"].tolist() == list(range(1, FRAMES))  # about their mean
    assert together["explained"].iloc[-1] == pytest.approx(1.0)


def test_rows_along_one_direction_are_explained_by_one_component_and_attributes_at_rest_left_out(neutral, tmp_path):
    direction = np.random.default_rng(3).standard_normal((COUNT, 3)).astype(np.float32)
    frames = [replace(neutral, means=neutral.means + weight * direction) for weight in np.float32([0, 0.2, 0.7, 1])]
    table = spectrum_table("warm", [_store(tmp_path / "E1.h5", frames)])
    assert set(table["attribute"]) == {"all", "xyz"}
    assert (table["explained"] > 1 - FLOAT32).all()


def test_the_figure_and_summary_tell_two_recipes_apart(neutral, tmp_path):
    generator = np.random.default_rng(4)
    stores = {
        name: [_store(tmp_path / f"{name}.h5", [_random(generator) for _ in range(6)])] for name in ("warm", "original")
    }
    coherence = pd.concat([coherence_table(name, paths, neutral) for name, paths in stores.items()])
    spectrum = pd.concat([spectrum_table(name, paths) for name, paths in stores.items()])
    table = summarized(coherence, spectrum, {"warm": 30.0, "original": 20.0})
    assert table["recipe"].tolist() == ["warm", "original"]
    assert table["psnr"].tolist() == [30.0, 20.0]
    assert (table["explained by 5"] >= table["explained by 3"]).all()
    labels = [text.get_text() for text in draw_coherence(coherence, spectrum).axes[0].get_legend().get_texts()]
    assert labels == ["warm", "original"]
