from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from splatrig.animation.render import render
from splatrig.components.rig import Rig
from splatrig.components.skin import skin_of
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.regions import REGION_COLUMNS, Region, RegionFolder
from splatrig.evaluation.images import IMAGE_COLUMNS, summarize_images
from splatrig.evaluation.method import PICTURED_FACES, MethodEvaluation
from splatrig.evaluation.scene import FrameViews, Place, Scene, Views, agreement, load_views, score, score_regions
from splatrig.evaluation.table import pick
from splatrig.fitting.metrics import measure
from splatrig.mesh.template import build_template
from support import planted


def write_capture(dataset, rig, data, cameras):
    """A restructured dataset whose photographs are renders of the true frames, posed as head space."""
    for name, row in zip(data.frames, data.X, strict=True):
        folder = dataset / name
        folder.mkdir(parents=True)
        images, alphas = render(rig.from_row(row), cameras)
        pixels = np.concatenate([images / np.maximum(alphas, 1e-3), alphas], axis=-1).clip(0, 1)
        for camera, picture in zip(cameras.names, (pixels * 255).round().astype(np.uint8), strict=True):
            Image.fromarray(picture, "RGBA").save(folder / f"{camera}.png")
        np.savetxt(folder / f"{folder.name}_transform.txt", np.eye(3, 4))


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    made = planted.head()
    parts = planted.components(made, frames=6)
    data = planted.rows(parts)
    dataset, cameras = tmp_path_factory.mktemp("dataset"), planted.cameras(2)
    write_capture(dataset, Rig.of(parts, made.neutral), data, cameras)
    return made, parts, data, FrameViews(Dataset(dataset, cameras))


def test_photographs_are_composited_onto_black(scene):
    _, _, data, photographs = scene
    views = photographs.of(data.frames[1])
    assert views.photographs.shape == (2, 60, 40, 3)
    assert float(views.photographs[~views.inside].max()) < 0.9
    assert float(views.photographs[0, 0, 0].max()) == 0.0
    assert 0.1 < float(views.inside.float().mean()) < 0.9


def test_a_frame_that_no_measuring_camera_has_scores_nothing(scene, tmp_path):
    made, parts, data, _ = scene
    frame = tmp_path / data.frames[1]
    write_capture(tmp_path, Rig.of(parts, made.neutral), data, planted.cameras(2))
    dataset = Dataset(tmp_path, planted.cameras(2))
    gaussians = Rig.of(parts, made.neutral).from_row(data.X[1])
    for camera, left in (("cam0", ["cam1"]), ("cam1", [])):
        (frame / f"{camera}.png").unlink()
        views = load_views(dataset, data.frames[1])
        assert [found.camera for found in score(gaussians, views)] == left
        assert len(score_regions(gaussians, views)) == len(left)


def test_the_true_frame_scores_high_and_another_one_lower(scene):
    made, parts, data, photographs = scene
    rig = Rig.of(parts, made.neutral)
    views = photographs.of(data.frames[4])
    own, other = score(rig.from_row(data.X[4]), views), score(rig.from_row(data.X[0]), views)
    assert [found.camera for found in own] == ["cam0", "cam1"]
    assert min(found.psnr for found in own) > 40.0
    assert max(found.psnr for found in other) < min(found.psnr for found in own) - 5.0
    assert max(found.ssim for found in other) < min(found.ssim for found in own)


@pytest.mark.parametrize(
    "box", [(slice(20, 31), slice(5, 19)), (slice(0, 60), slice(0, 40)), (slice(59, 60), slice(0, 1))]
)
def test_scores_inside_are_those_of_the_fits(scene, box):
    _, _, data, photographs = scene
    first, second = photographs.of(data.frames[4]).photographs[0], photographs.of(data.frames[0]).photographs[0]
    inside = torch.zeros((60, 40), dtype=torch.bool)
    inside[box] = True
    expected = measure(first, second, inside)["mask"]
    views = Views("E001/000001", photographs.of(data.frames[0]).cameras.select([0]), second[None], inside[None])
    found = agreement(*(picture[views.boxes[0]].numpy() for picture in (first, second, inside)))
    assert found == pytest.approx((expected.psnr, expected.ssim), rel=1e-9)


def test_cameras_that_see_no_head_give_no_score(scene):
    made, _, data, photographs = scene
    seen = photographs.of(data.frames[1])
    views = replace(seen, inside=seen.inside & torch.tensor([False, True])[:, None, None])
    assert [found.camera for found in score(made.neutral, views)] == ["cam1"]


def evaluated(scene, parts, data, method="sldc_gauss_xyz"):
    made, _, _, photographs = scene
    evaluation = MethodEvaluation(method, "base", parts, data, [1, 3], 0)
    evaluation.table()
    return evaluation.pictures(Scene(made.neutral, None, photographs))


def test_all_planted_components_score_best(scene):
    _, parts, data, _ = scene
    table = evaluated(scene, parts, data)
    assert tuple(table.columns) == IMAGE_COLUMNS
    rebuilt = table[table["test"] == "reconstruction"]
    assert set(rebuilt["weights"]) == {"rows"}
    assert len(rebuilt) == 2 * 2 * 2  # two k, the peaks of two expressions, two cameras
    means = rebuilt.groupby("k")["psnr"].mean()
    assert means[3] > 40.0 > means[1]


def test_a_driven_rig_is_rendered_with_the_weights_that_are_known(scene):
    made, parts, data, photographs = scene
    shapes = replace(parts, family="learned", base=made.neutral, names=("jawOpen", "cheekPuff", "mouthPucker"))
    shapes = replace(shapes, told=np.ones(3, bool), W=0.5 * parts.W)  # its own weights are half of what they should be
    evaluation = MethodEvaluation("learned_arkit", "base", shapes, data, [1], 0)
    evaluation.table()
    table = evaluation.pictures(Scene(made.neutral, None, photographs), parts.W)
    driven = table[table["test"] == "driven"]
    assert (set(driven["weights"]), set(driven["k"]), len(driven)) == ({"true"}, {3}, 4)
    own = table[(table["test"] == "reconstruction") & (table["k"] == 3)]
    assert set(own["weights"]) == {"own"}
    assert driven["psnr"].mean() > max(40.0, own["psnr"].mean() + 3.0)
    summary = summarize_images(table, np.random.default_rng(0))
    assert pick(summary, "driven_psnr", k=3)["value"].iloc[0] == pytest.approx(driven["psnr"].mean())


def test_random_faces_are_compared_with_their_nearest_frame(scene):
    _, parts, data, _ = scene
    table = evaluated(scene, parts, data)
    random = table[table["test"] == "specificity"]
    assert random.groupby("k").size().to_dict() == {1: 2 * PICTURED_FACES, 3: 2 * PICTURED_FACES}
    assert np.isfinite(random["psnr"]).all()


def test_free_gaussians_are_shown_and_do_not_count(scene):
    parts = planted.components(scene[0], attributes=planted.ALL_ATTRIBUTES, frames=6)
    plain = replace(parts, family="learned", base=scene[0].neutral)
    free = planted.with_free(plain, scene[0].neutral, 60)
    data = planted.rows(parts)
    numbers = [planted.evaluate_method("learned_local", "base", each, data, [1, 3], 0) for each in (plain, free)]
    pd.testing.assert_frame_equal(*numbers)
    shown = [evaluated(scene, each, data, "learned_local") for each in (plain, free)]
    assert len(shown[0]) == len(shown[1])
    assert (shown[0]["psnr"] - shown[1]["psnr"]).abs().max() > 0.5, "dB"


def test_eyes_look_in_pictures_and_do_not_count(scene):
    parts = planted.components(scene[0], attributes=planted.ALL_ATTRIBUTES, frames=6)
    plain = replace(parts, family="learned", base=scene[0].neutral)
    free = planted.with_free(plain, scene[0].neutral, 60)
    data = planted.rows(parts)
    both = (free, planted.with_eyes(free))
    numbers = [planted.evaluate_method("learned_local", "base", each, data, [1, 3], 0) for each in both]
    pd.testing.assert_frame_equal(*numbers)
    shown = [evaluated(scene, each, data, "learned_local") for each in both]
    apart = (shown[0]["psnr"] - shown[1]["psnr"]).abs()
    rebuilt = shown[0]["test"] == "reconstruction"
    assert apart[rebuilt].max() > 0.1, "dB"
    assert apart[~rebuilt].max() == 0, "random faces look ahead"


def test_learned_rigs_are_shown_with_their_own_weights(scene):
    _, parts, data, _ = scene
    learned = replace(parts, family="learned", base=scene[0].neutral)
    spoiled = planted.rows(parts, data.X + np.float32(20.0))
    table = evaluated(scene, learned, spoiled, "learned_local")
    rebuilt = table[(table["test"] == "reconstruction") & (table["k"] == 3)]
    assert set(rebuilt["weights"]) == {"own"}
    assert rebuilt["psnr"].min() > 40.0


def test_left_out_expressions_of_the_matrix_of_all_attributes_are_rendered(scene):
    made, _, _, photographs = scene
    parts = planted.components(made, family="pca", frames=6)
    data = planted.rows(parts)
    evaluation = MethodEvaluation("pca_all", "base", parts, data, [1], 0)
    evaluation.table()
    table = evaluation.pictures(Scene(made.neutral, None, photographs))
    left_out = table[table["test"] == "generalization"]
    assert set(left_out["expression"]) == {"E001"}
    assert set(left_out["role"]) == {"left_out"}


def test_of_a_single_expression_nothing_is_left_out(scene):
    made, _, _, photographs = scene
    parts = planted.components(made, family="pca", frames=3)
    evaluation = MethodEvaluation("pca_all", "base", parts, planted.rows(parts), [1], 0)
    assert "generalization_xyz" not in set(evaluation.table()["metric"])
    assert "generalization" not in set(evaluation.pictures(Scene(made.neutral, None, photographs))["test"])


def test_components_of_centers_are_also_shown_without_following_the_skin(scene):
    made, parts, data, photographs = scene
    evaluation = MethodEvaluation("sldc_gauss_xyz", "base", parts, data, [1, 3], 0)
    evaluation.table()
    skin = skin_of(made.vertices, made.faces)
    table = evaluation.pictures(Scene(made.neutral, None, photographs, skin=skin))
    means = table[table["k"] == 3].groupby("test")["psnr"].mean()
    assert means["unfollowed"] > means["reconstruction"] + 1.0  # these photographs are of Gaussians that do not follow
    assert "unfollowed" not in set(evaluated(scene, parts, data)["test"])


def test_rows_of_a_coarse_level_are_carried_to_the_finest():
    template = build_template(planted.head(1).vertices, planted.head(1).faces, 1)
    fine = template.levels[template.finest].vertices
    neutral = planted.head(2).neutral
    neutral = type(neutral)(**{**dict(neutral.items()), "means": fine.astype(np.float32)})
    parts = planted.components(planted.head(1))
    pose = Scene(neutral, template, None).posing(parts)
    row = parts.mean + parts.std * parts.offset
    shifted = (row.reshape(-1, 3) + np.float32([1.0, 2.0, 2.0])).reshape(-1)
    np.testing.assert_allclose(pose(shifted).means - fine, np.tile([1.0, 2.0, 2.0], (len(fine), 1)), atol=1e-4)
    np.testing.assert_array_equal(pose(shifted).sh0, neutral.sh0)


def test_equal_pictures_are_infinitely_alike_and_still_in_the_table(scene, monkeypatch):
    made, _, data, photographs = scene
    views = photographs.of(data.frames[1])
    assert photographs.of(data.frames[1]) is views
    monkeypatch.setattr("splatrig.evaluation.scene.render", lambda *_, **__: (views.photographs.numpy(), None))
    shown = Scene(made.neutral, None, photographs)
    shown.compare(Place("reconstruction", 1, data.frames[1], "train"), made.neutral)
    table = shown.frame("m", "base")
    assert np.isinf(table["psnr"]).all()
    assert table["ssim"].to_numpy() == pytest.approx(1.0)


def test_errors_by_region_are_those_of_the_whole_where_all_of_it_is_one_region(scene, tmp_path):
    made, parts, data, photographs = scene
    dataset = photographs._dataset
    regions, name = RegionFolder(tmp_path), data.frames[4]
    for camera in dataset.cameras.names:
        inside = np.asarray(Image.open(dataset.folder / name / f"{camera}.png"))[..., 3] > 127
        halves = np.where(np.arange(40) < 20, Region.WHOLE | Region.SKIN, Region.WHOLE | Region.HAIR)
        regions.write(name, camera, np.where(inside, halves, 0).astype(np.uint8))
    shown = Scene(made.neutral, None, FrameViews(dataset, regions))
    shown.compare(Place("reconstruction", 1, name, "train"), made.neutral)
    table = shown.frame("m", "base")
    assert tuple(table.columns) == IMAGE_COLUMNS
    whole = -10.0 * np.log10(table["sse_whole"] / table["pixels_whole"])
    np.testing.assert_allclose(whole, table["psnr"], rtol=1e-6)
    np.testing.assert_allclose(table["sse_skin"] + table["sse_hair"], table["sse_whole"], rtol=1e-9)
    assert (table["pixels_skin"] + table["pixels_hair"] == table["pixels_whole"]).all()
    assert table[["sse_mouth", "pixels_mouth", "sse_beyond"]].isna().all(axis=None)
    fitted = score_regions(made.neutral, load_views(dataset, name, regions))
    np.testing.assert_array_equal(fitted, table[list(REGION_COLUMNS)].to_numpy(dtype=float))
    known = evaluated(scene, parts, data)
    assert known[list(REGION_COLUMNS)].isna().all(axis=None)
