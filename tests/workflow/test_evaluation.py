"""What of the evaluation runs only when asked for: held-out expressions, and learned rigs without one expression."""

import shutil

import pandas as pd
import pytest

pytestmark = pytest.mark.workflow

LEFT_OUT, HELD_OUT = "E012_Jaw_Open_Huge_Smile", "E042_Mouth_Nose_Left"
UNSEEN, FOLDS = "results/tiny/evaluation/images/unseen.csv", "results/tiny/evaluation/folds.csv"


@pytest.fixture(scope="module")
def asked(finished, tmp_path_factory):
    """A copy of the finished run in which one expression is held out, and the other one is left out of a rig."""
    project = type(finished)(tmp_path_factory.mktemp("asked") / "project", finished.cache)
    shutil.copytree(finished.directory, project.directory, symlinks=True)
    with (
        project.changed_config("capture.held_out.expressions", [HELD_OUT]),
        project.changed_config("learned.families", ["global"]),
        project.changed_config("control.families", ["learned_global"]),
        project.changed_config("rendering.components", 1),
        project.changed_config("video.family", "pca_all"),
        project.changed_config("export.family", "pca_all"),
        project.changed_config("evaluation.learned_folds", 1),
    ):
        done = project.snakemake(UNSEEN, FOLDS)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return project


def read(project, path):
    return pd.read_csv(project.directory / path, dtype={"frame": str, "camera": str})


def test_rigs_are_shown_in_expressions_that_nothing_was_learned_from(asked):
    table = read(asked, UNSEEN)
    assert set(table["expression"]) == {HELD_OUT}
    assert set(table["role"]) == {"held_out"}
    sources = table.groupby("method")["weights"].agg(set).to_dict()
    assert sources == {"fits": {"fit"}, "pca_all": {"photographs"}, "learned_global": {"photographs"}}
    assert len(table) == 3 * 2 * 2  # methods, frames, held-out cameras
    assert table["psnr"].between(5.0, 60.0).all()
    assert table["ssim"].between(0.0, 1.0).all()


def test_a_fold_is_measured_in_millimetres_and_in_pictures(asked):
    table = read(asked, FOLDS)
    assert set(table["method"]) == {"pca_all", "learned_global"}
    assert set(table["expression"]) == {LEFT_OUT}
    assert set(table["metric"]) == {"generalization_xyz", "generalization_surface"}
    assert set(table["n"]) == {2}
    assert table["value"].between(0.01, 50.0).all()
    images = read(asked, f"results/tiny/evaluation/images/folds/{LEFT_OUT}/learned_global.csv")
    assert set(images["role"]) == {"left_out"}
    assert set(images["expression"]) == {LEFT_OUT}
    assert images["psnr"].between(5.0, 60.0).all()


def test_the_rig_of_a_fold_was_learned_without_its_expression(asked):
    frames = read(asked, f"results/tiny/evaluation/folds/{LEFT_OUT}/frames.csv")
    roles = frames.groupby("expression")["role"].agg(set).to_dict()
    assert roles == {"E001_Neutral_Eyes_Open": {"train"}, LEFT_OUT: {"held_out"}, HELD_OUT: {"held_out"}}
    log = (asked.directory / "logs" / "tiny" / "learn_rig_without" / LEFT_OUT / "global.log").read_text()
    assert ", 2 frames: " in log


def test_asking_for_folds_starts_them_and_the_merges_alone(finished):
    with finished.changed_config("evaluation.learned_folds", 1):
        pending = finished.pending()
    folds = {
        "leave_out_expression": 1,
        "decompose_meshes_without": 2,
        "find_free_gaussians_without": 1,
        "learn_rig_without": 2,
        "compute_pca_without": 1,
        "evaluate_fold": 3,
    }
    folds |= {"merge_folds": 1}
    merges = {"merge_methods", "draw_figures", "summarize_evaluation"}
    assert {rule: count for rule, count in pending.items() if rule not in merges} == folds
