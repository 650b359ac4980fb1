from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from splatrig.evaluation.truth import (
    TrueWeights,
    compare_with_truth,
    correlations,
    driving_weights,
    match_units,
    read_truth,
)
from splatrig.io.errors import InputError
from support import planted


def write_truth(path, weights, frames, units):
    rows = [
        (*name.split("/"), unit, weights[f, u])
        for f, name in enumerate(frames)
        for u, unit in enumerate(units)
        if weights[f, u] != 0
    ]
    pd.DataFrame(rows, columns=["expression", "frame", "unit", "weight"]).to_csv(path, index=False)


def test_units_are_matched_one_to_one_despite_order_and_sign(tmp_path):
    parts = planted.components(planted.head(1), family="pca", frames=15)
    units = ("jawOpen", "browUp", "smile")
    write_truth(tmp_path / "truth.csv", -parts.W[:, [2, 0, 1]], parts.frames, units)
    table = compare_with_truth(parts, tmp_path / "truth.csv").set_index("unit")
    assert table.loc["jawOpen", "component"] == 2
    assert table.loc["browUp", "component"] == 0
    assert table["correlation"].to_numpy() == pytest.approx(1.0)
    assert table["r_squared"].to_numpy() == pytest.approx(1.0)


def test_one_sided_weights_must_not_match_with_the_opposite_sign():
    weights = np.array([[0.0], [0.5], [1.0]])
    truth = TrueWeights(1 - weights, ("unit",))
    assert match_units(weights, truth, signed=False)["correlation"].iloc[0] == 0.0
    assert match_units(weights, truth, signed=True)["correlation"].iloc[0] == pytest.approx(1.0)


def test_more_units_than_components_leaves_units_without_one():
    truth = TrueWeights(np.random.default_rng(0).random((8, 3)), ("a", "b", "c"))
    table = match_units(truth.weights[:, [1]], truth, signed=False).set_index("unit")
    assert table.loc["b", "component"] == 0
    assert (table["component"] == -1).sum() == 2
    assert table.loc["a", "correlation"] == 0.0


def test_constants_correlate_with_nothing():
    assert correlations(np.ones((4, 1)), np.arange(4.0)[:, None])[0, 0] == 0.0


def test_units_that_never_move_are_left_out(tmp_path):
    frames = ("E/1", "E/2")
    write_truth(tmp_path / "truth.csv", np.array([[1.0, 0.5], [0.0, 0.5]]), frames, ("moves", "still"))
    assert read_truth(tmp_path / "truth.csv", frames).units == ("moves",)


def test_eyes_that_turn_with_the_mouth_leave_the_mouth_its_component(tmp_path):
    parts = planted.components(planted.head(1), family="pca", frames=15)
    weights, units = parts.W[:, [0, 0, 1]], ("eyeLookOutLeft", "mouthLeft", "smile")
    write_truth(tmp_path / "truth.csv", weights, parts.frames, units)
    table = compare_with_truth(parts, tmp_path / "truth.csv").set_index("unit")
    assert table["component"].to_dict() == {"mouthLeft": 0, "smile": 1}
    assert table["correlation"].to_numpy() == pytest.approx(1.0)


def test_a_missing_column_is_named(tmp_path):
    (tmp_path / "truth.csv").write_text("expression,frame,unit\nE,1,jaw\n")
    with pytest.raises(InputError, match="weight"):
        read_truth(tmp_path / "truth.csv", ("E/1",))


def test_weights_without_relation_explain_little(tmp_path):
    parts = planted.components(planted.head(1), frames=60)
    generator = np.random.default_rng(0)
    write_truth(tmp_path / "t.csv", generator.random((60, 1)), parts.frames, ("u",))
    table = compare_with_truth(replace(parts, W=generator.random(parts.W.shape).astype(np.float32)), tmp_path / "t.csv")
    assert table["r_squared"].iloc[0] < 0.3


def test_blendshapes_are_the_units_of_their_names_however_others_correlate(tmp_path):
    parts = planted.blendshapes(planted.components(planted.head(1), family="learned", count=4, frames=15))
    weights, units = parts.W[:, [1, 0, 0]], ("jawOpen", "mouthPucker", "tongueOut")
    write_truth(tmp_path / "truth.csv", weights, parts.frames, units)
    table = compare_with_truth(parts, tmp_path / "truth.csv").set_index("unit")
    assert table["component"].to_dict() == {"jawOpen": 0, "mouthPucker": 1, "tongueOut": -1}
    expected = max(0.0, np.corrcoef(parts.W[:, 0], parts.W[:, 1])[0, 1])
    assert table.loc["jawOpen", "correlation"] == pytest.approx(expected, abs=1e-6)
    assert table["best"].to_numpy() == pytest.approx(1.0)


def test_what_drives_blendshapes_are_the_weights_of_their_names(tmp_path):
    parts = planted.blendshapes(planted.components(planted.head(1), family="learned", count=4, frames=15))
    truth = np.random.default_rng(0).random((15, 3))
    write_truth(tmp_path / "truth.csv", truth, parts.frames, ("cheekPuff", "smile", "jawOpen"))
    found = driving_weights(parts, tmp_path / "truth.csv")
    np.testing.assert_allclose(found, np.stack([truth[:, 2], 0 * truth[:, 0], truth[:, 0], 0 * truth[:, 0]], axis=1))
    write_truth(tmp_path / "other.csv", truth[:, :1], parts.frames, ("smile",))
    with pytest.raises(InputError, match=r"other\.csv: expected face units by the names .* jawOpen .* got smile"):
        driving_weights(parts, tmp_path / "other.csv")
