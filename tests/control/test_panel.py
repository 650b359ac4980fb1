import json

import numpy as np
import pytest

from splatrig.control.coefficients import coefficients_text, parse_coefficients
from splatrig.control.panel import read_panel, usable_names, weight_ranges, write_panel
from splatrig.io.errors import InputError
from support import heads, planted

HEAD = heads.head(1)


def test_a_panel_comes_back_from_its_file(tmp_path):
    panel = HEAD.panels["sldc_gauss_xyz"]
    write_panel(tmp_path / "panel.json", panel)
    back = read_panel(tmp_path / "panel.json")
    assert (back.names, back.limits, back.family, back.subject) == (
        panel.names, panel.limits, panel.family, panel.subject
    )  # fmt: skip
    for key in ("low", "high", "mean", "covariance", "neutral"):
        assert np.array_equal(getattr(back, key), getattr(panel, key)), key
    assert {name: list(weights) for name, weights in back.presets.items()} == {
        name: list(weights) for name, weights in panel.presets.items()
    }


@pytest.mark.parametrize("text", ["{}", "[]", "nonsense", '{"format": "splatrig panel", "format_version": 1}'])
def test_another_file_is_no_panel(tmp_path, text):
    (tmp_path / "panel.json").write_text(text)
    with pytest.raises(InputError, match=r"panel\.json"):
        read_panel(tmp_path / "panel.json")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"low": [float("nan")] * 5}, "expected finite numbers, got NaN"),
        ({"low": [0.1] * 5}, "expected every slider to include 0"),
        ({"names": ["a", "a", "b", "c", "d"]}, "expected one or more names that differ"),
        (
            {"names": [], "low": [], "high": [], "mean": [], "neutral": [], "covariance": [], "presets": {}},
            "one or more",
        ),
        ({"presets": []}, "cannot be read as a panel"),
    ],
)
def test_a_panel_that_makes_no_sliders_is_refused(tmp_path, change, sentence):
    path = tmp_path / "panel.json"
    write_panel(path, HEAD.panels["sldc_gauss_xyz"])
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=sentence) as error:
        read_panel(path)
    assert str(error.value).startswith(str(path))


def test_names_become_one_line_each_and_differ():
    assert usable_names(("a b", " a\n b", "", "a (4)", "a", "a", "\u2028x")) == (
        "a b", "a b (2)", "component 3", "a (4)", "a", "a (6)", "x"
    )  # fmt: skip
    assert usable_names(("a (3)", "a", "a")) == ("a (3)", "a", "a (3) (3)")


def test_ranges_come_from_the_frames_that_use_a_component():
    W = np.zeros((100, 3))
    W[:4, 0] = [0.2, 0.4, 0.6, 0.8]
    W[:, 1] = np.linspace(-2, 1, 100)
    low, high = weight_ranges(W, (0, 100))
    assert np.allclose(low[:2], [0, -2]) and np.allclose(high[:2], [0.8, 1])
    assert low[2] == -1 and high[2] == pytest.approx(0.9)  # nobody uses it: the range of the others
    low, high = weight_ranges(W, (25, 75))
    assert high[0] == pytest.approx(0.65)
    low, high = weight_ranges(np.zeros((5, 1)), (0, 100))
    assert high[0] > low[0]


def test_limits_follow_the_model():
    assert HEAD.panels["pca_all"].limits is None
    assert HEAD.panels["sldc_gauss_xyz"].limits == (0.0, 1.0)


def test_a_preset_is_the_frame_farthest_from_the_neutral():
    family = HEAD.families["sldc_gauss_xyz"]
    away = np.linalg.norm(family.rig.components.W @ family.rig.components.C, axis=1)
    for number, (name, weights) in enumerate(family.panel.presets.items()):
        rows = range(3 * number, 3 * number + 3)
        assert name == f"E{number:03d}"
        assert np.allclose(weights, family.rig.components.W[max(rows, key=lambda row: away[row])])


def test_a_pose_comes_back_from_its_file(tmp_path):
    pose = {name: np.random.default_rng(1).normal(size=panel.count) for name, panel in HEAD.panels.items()}
    (tmp_path / "pose.json").write_text(coefficients_text("planted", HEAD.panels, pose), encoding="utf-8")
    back = parse_coefficients((tmp_path / "pose.json").read_text(encoding="utf-8"), HEAD.panels, "pose.json")
    assert all(np.array_equal(back[name], pose[name]) for name in pose)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(format="x"), "key 'format': expected 'splatrig coefficients', got 'x'"),
        (lambda d: d.update(format_version=3), "key 'format_version': expected 1, got 3"),
        (lambda d: d.update(families=[]), "key 'families': expected an object"),
        (lambda d: d["families"].update(learned_x={}), "key 'learned_x': expected a family of this head"),
        (lambda d: d["families"].update(pca_all=1), "key 'pca_all': expected an object of components, got 1"),
        (lambda d: d["families"]["pca_all"].update(nobody=1), "got 'nobody'"),
        (lambda d: d["families"].update(pca_all={HEAD.panels["pca_all"].names[0]: "much"}), "got 'much'"),
        (
            lambda d: d["families"].update(pca_all={HEAD.panels["pca_all"].names[0]: 10**400}),
            "expected a finite number",
        ),
    ],
)
def test_a_malformed_pose_is_refused_in_one_sentence(change, sentence):
    document = json.loads(coefficients_text("planted", HEAD.panels, heads.zeros(HEAD)))
    change(document)
    with pytest.raises(InputError) as error:
        parse_coefficients(json.dumps(document), HEAD.panels, "pose.json")
    assert sentence in str(error.value) and str(error.value).startswith("pose.json")


def test_components_without_names_get_some():
    names = HEAD.panels["pca_all"].names
    assert len(set(names)) == 4 and names[0].startswith("PCA 01 · ")
    assert planted.components(planted.head(1)).names == ()


def test_a_missing_panel_is_said_to_be_missing(tmp_path):
    with pytest.raises(InputError, match=r"pca_all\.json: expected a file, got none; run the pipeline"):
        read_panel(tmp_path / "pca_all.json")


def test_sliders_of_blendshapes_go_from_zero_to_one_however_little_frames_use_of_them():
    family = heads.blendshapes(planted.head(1))
    assert family.rig.components.W.max() < 0.7
    assert family.panel.names == planted.BLENDSHAPES
    assert (family.panel.low.tolist(), family.panel.high.tolist()) == ([0.0] * 4, [1.0] * 4)
    assert family.panel.limits == (0.0, 1.0)
