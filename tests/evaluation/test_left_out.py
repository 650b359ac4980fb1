import numpy as np
import pandas as pd
import pytest
import torch

from splatrig.components.component_file import Components
from splatrig.components.fields import Columns
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.regions import UNKNOWN
from splatrig.evaluation.attribute_rows import AttributeRows, reach_of
from splatrig.evaluation.images import IMAGE_COLUMNS
from splatrig.evaluation.learned_folds import Fold
from splatrig.evaluation.left_out import (
    FOLD_COLUMNS,
    fold_errors,
    fold_table,
    paired_gains,
    solved_baseline,
    summarize_folds,
)
from splatrig.evaluation.scene import FrameViews, Scene
from splatrig.evaluation.table import METHOD_COLUMNS, pick
from splatrig.learned.compare import Comparison
from support import planted, tiny
from support.subject import bulged, sides_of, write_subject


def test_a_shift_is_that_error_in_millimetres():
    parts = planted.components(planted.head())
    rows = parts.rows()[:2]
    shifted = (rows.reshape(2, -1, 3) + np.float32([0.3, 0.0, 0.4])).reshape(2, -1)
    errors = fold_errors(parts, rows, shifted)
    assert errors["generalization_xyz", "head"] == pytest.approx(0.5, rel=1e-4)
    assert errors["generalization_xyz", "face"] == pytest.approx(0.5, rel=1e-4)
    assert 0.0 < errors["generalization_surface", "head"] < 0.5
    assert set(fold_errors(parts, rows, rows).values()) == {0.0}


def folds():
    values = {"E1": 1.0, "E2": 2.0, "E3": 6.0}
    tables = [fold_table("learned_global", "subd2", 4, name, {("a", "head"): v}, 3) for name, v in values.items()]
    return pd.concat(tables, ignore_index=True)


def test_folds_become_their_mean_with_an_interval_over_expressions():
    assert tuple(folds().columns) == FOLD_COLUMNS
    together = pd.concat([folds(), folds().assign(method="pca_all")])
    table = summarize_folds(together, np.random.default_rng(0))
    assert table["method"].tolist() == ["learned_global"]
    assert tuple(table.columns) == METHOD_COLUMNS
    row = table.iloc[0]
    assert (row["value"], row["n"], row["k"], row["split"], row["unit"]) == (3.0, 3, 4, "left_out", "mm")
    assert 1.0 <= row["low"] < 3.0 < row["high"] <= 6.0


def pictures(method, level, psnr, weights, expressions=("E1", "E2")):
    rows = [
        (
            method,
            level,
            4,
            "generalization",
            weights,
            0,
            name,
            "000001",
            "left_out",
            camera,
            psnr + step,
            0.9,
            np.nan,
            *UNKNOWN,
        )
        for step, name in enumerate(expressions)
        for camera in ("a", "b")
    ]
    return pd.DataFrame(rows, columns=list(IMAGE_COLUMNS))


def test_gains_are_over_the_same_pictures_of_the_pca_with_weights_from_photographs():
    images = [
        pictures("pca_all", "subd2", 20.0, "rows", ("E1", "E2", "E3")),
        pictures("pca_all", "subd2", 30.0, "photographs"),
        pictures("learned_global", "subd2", 31.5, "photographs"),
        pictures("pca_xyz", "base", 25.0, "rows"),
    ]
    together = pd.concat(images, ignore_index=True)
    table = paired_gains(together, np.random.default_rng(0))
    assert table["method"].tolist() == ["learned_global"]
    row = table.iloc[0]
    assert (row["value"], row["low"], row["high"], row["n"]) == pytest.approx((1.5, 1.5, 1.5, 2))
    assert together[solved_baseline(together)]["psnr"].tolist() == images[1]["psnr"].tolist()


def test_without_a_baseline_of_as_many_components_nothing_is_said():
    alone = pictures("learned_global", "subd2", 31.5, "photographs")
    assert paired_gains(alone, np.random.default_rng(0)).empty
    other = pictures("pca_all", "subd2", 30.0, "photographs").assign(k=9)
    assert paired_gains(pd.concat([alone, other]), np.random.default_rng(0)).empty


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A rig of the two bulges, which made all frames, and the fold whose expression it did not see."""
    subject = write_subject(tmp_path_factory.mktemp("fold"))
    template, neutral = subject.template, subject.neutral
    base, fine = template.levels["base"], template.levels[template.finest]
    up, sides = template.between("base", template.finest), sides_of(fine.vertices)
    moves = [up @ (bulged(base.vertices, weights) - base.vertices) for weights in np.eye(2)]
    count = len(neutral)
    flush = 0.8 * np.repeat(sides[:, :, None], 3, axis=2).reshape(2, -1)
    C = np.concatenate([np.stack(moves).reshape(2, -1), flush], axis=1).astype(np.float32)
    rest = np.concatenate([neutral.means.reshape(-1), neutral.sh0.reshape(-1)]).astype(np.float32)
    frames = tuple(subject.names("train") + subject.names("held_out"))
    true = np.array([[0, 0], [1, 0], [0, 1], [0.5, 0.2], [0.3, 0.8], [0.7, 0.6]], np.float32)
    components = Components(
        family="learned",
        W=true[:4],
        C=C,
        mean=rest,
        std=np.ones_like(rest),
        offset=None,
        columns=Columns(("xyz", "f_dc"), count),
        faces=fine.faces,
        face_mask=fine.mask,
        frames=frames[:4],
        limits=(0.0, 1.0),
        base=neutral,
    )
    X = components.rows(true)
    data = AttributeRows(X, frames, np.arange(6) < 5, 0, reach_of(X[:, : 3 * count], 0))
    fold = Fold("learned_local", "subd1", components, data, "E002")
    comparison = Comparison(subject, tiny.RENDER, 30, torch.device("cpu"))
    held_out = subject.cameras.select(subject.cameras.held_out)
    scene = Scene(neutral, template, FrameViews(Dataset(subject.dataset.folder, held_out)))
    return fold, fold.solve(comparison), scene


def test_weights_from_photographs_find_the_frames_that_were_left_out(shown):
    fold, solved, _ = shown
    assert fold.rows.tolist() == [4, 5]
    table = fold.numbers(solved)
    assert set(table["expression"]) == {"E002"}
    assert set(table["n"]) == {2}
    away = pick(table, "generalization_xyz", region="head")["value"].iloc[0]
    unmoved = fold_errors(fold.components, fold.data.X[fold.rows], np.repeat(fold.components.mean[None], 2, axis=0))
    assert away < 0.2 * unmoved["generalization_xyz", "head"]


def test_the_peak_that_was_left_out_is_pictured_from_held_out_cameras(shown):
    fold, solved, scene = shown
    table = fold.pictures(solved, scene)
    assert set(table["test"]) == {"generalization"}
    assert set(table["weights"]) == {"photographs"}
    assert set(zip(table["expression"], table["role"], strict=True)) == {("E002", "left_out")}
    assert set(table["frame"]) == {"000015"}  # of the two the one farther from the neutral
    assert table["psnr"].min() > 25.0
