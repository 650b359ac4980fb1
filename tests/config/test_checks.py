import copy
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from splatrig.config.checks import check_config, check_families, check_names, with_components_capped
from splatrig.config.load import load_config, merged, read_config
from splatrig.config.names import held_out_cameras
from splatrig.io.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
PRESETS = ROOT / "workflow" / "presets"
SHIPPED = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
EXPRESSIONS = ["E001_Neutral_Eyes_Open", *(f"E{i:03d}_Something" for i in range(2, 13))]
CAMERAS = [f"4000{i:02d}" for i in range(16)]


def nested(dotted: str, value: object) -> dict:
    key, _, rest = dotted.partition(".")
    return {key: nested(rest, value) if rest else value}


def with_key(dotted: str, value: object):
    """The demo's configuration with one key changed."""
    return load_config(merged(copy.deepcopy(SHIPPED), nested(dotted, value)), PRESETS)


DEMO = read_config([ROOT / "config.yaml"], PRESETS)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("fitting.rasterizer", "fast", "fitting.rasterizer: got fast, expected one of auto, numba."),
        ("components.sldc.attribute", "foo", "components.sldc.attribute: got foo, expected one of xyz, rgb, all."),
        ("components.attributes", ["xyz", "rgb"], "components.attributes: got rgb, expected one of xyz, f_dc."),
        ("components.attributes", ["f_dc"], "components.attributes: got [f_dc], expected xyz among them"),
        (
            "components.sldc.supports",
            {"gauss": None, "trapezoid": None},
            "components.sldc.supports: got null for all of them",
        ),
    ],
)
def test_a_name_that_no_table_has_is_named(key, value, sentence):
    raw = merged({**SHIPPED, "components": {"attributes": ["xyz", "f_dc"]}}, nested(key, value))
    with pytest.raises(InputError) as error:
        check_names(load_config(raw, PRESETS), ["demo", "local"], ["numba"], ["xyz", "rgb"], ["xyz", "f_dc"])
    assert sentence in str(error.value)


def test_a_source_without_rules_is_named():
    config = load_config({"neutral": "N", "capture": {"root": "here", "source": "folder"}}, PRESETS)
    with pytest.raises(InputError, match=r"capture\.source: got folder, expected one of demo, local\."):
        check_names(config, ["demo", "local"], ["numba"], ["xyz"], ["xyz"])


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("rendering.families", ["pca_al"], "rendering.families: got pca_al, expected one of pca_all, pca_f_dc."),
        ("control.families", ["learned_rows"], "got learned_rows, expected one of learned_global, learned_local."),
        ("video.family", "foo_all", "video.family: got foo_all, expected one of pca_…, learned_…."),
        ("export.family", "learned_al", "got learned_al, expected one of learned_global, learned_local."),
        ("export.family", "pca_f_dc", "export.family: pca_f_dc moves no centers"),
        ("control.families", ["pca_f_dc"], "control.families: pca_f_dc moves no centers"),
        ("control.families", ["learned_local"], "learned_local is not made, since learned.families is [global]"),
    ],
)
def test_a_family_that_is_not_made_or_moves_no_centers_is_named(key, value, sentence):
    families = {"pca": ["pca_all", "pca_f_dc"], "learned": ["learned_global", "learned_local"]}
    few = {"rendering": {"families": ["pca_all"]}, "learned": {"families": ["global"]}}
    raw = merged({**SHIPPED, **few}, nested(key, value))
    with pytest.raises(InputError) as error:
        check_families(load_config(raw, PRESETS), families)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("free", "families", "good"),
    [
        (0, ["learned_global", "pca_all"], True),
        (9, ["learned_global", "learned_local"], True),
        (9, ["pca_all", "sldc_gauss_xyz"], True),
        (9, ["learned_global", "pca_all"], False),
    ],
)
def test_families_of_one_head_have_the_same_free_gaussians(free, families, good):
    raw = merged(SHIPPED, {"learned": {"free": free}, "control": {"families": families}})
    config = load_config(raw, PRESETS)
    if good:
        check_config(config, EXPRESSIONS, None)
        return
    with pytest.raises(
        InputError, match=r"control.families: got \[learned_global, pca_all\], but with learned.free = 9"
    ):
        check_config(config, EXPRESSIONS, None)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("neutral", "E999_No", "neutral: got E999_No, expected one of the expressions"),
        ("capture.held_out.expressions", ["E999_No"], "got E999_No, expected one of the expressions"),
        ("capture.held_out.expressions", ["E001_Neutral_Eyes_Open"], "cannot be held out"),
        ("capture.held_out.cameras", ["nope"], "capture.held_out.cameras: camera nope does not exist"),
        ("capture.held_out.cameras", CAMERAS, "all 16 cameras are held out"),
        ("capture.cameras", ["400001", "nope"], "capture.cameras: camera nope does not exist"),
        ("video.cameras", ["nope"], "video.cameras: camera nope does not exist"),
        ("capture.frames_per_expression", 4, "expected at most demo.frames = 3"),
        ("export.poses", ["nope-2s"], "export.poses: got nope-2s, expected neutral, an expression"),
        ("video.tracks", ["tour", "nope"], "video.tracks: got nope, expected tour, an expression (E001"),
        ("export.poses", ["nope"], "export.poses: got nope, expected neutral, an expression (E001_Neutral_Eyes_Open, "),
        ("learned.devices", 2, "learned.photographs_per_step: got 1, expected a multiple of learned.devices = 2"),
        ("learned.level", "subd3", "learned.level: got subd3, but mesh.subdivisions = 2 gives base, subd1, subd2, fin"),
        ("export.mesh_level", "subd3", "export.mesh_level: got subd3"),
    ],
)
def test_cross_field_mistakes_are_named(key, value, sentence):
    with pytest.raises(InputError) as error:
        check_config(with_key(key, value), EXPRESSIONS, CAMERAS)
    assert sentence in str(error.value)


def test_multiface_needs_an_entity():
    raw = {"preset": "multiface", "capture": {"root": "here"}}
    with pytest.raises(InputError, match=r"capture\.entity: got null"):
        check_config(load_config(raw, PRESETS), EXPRESSIONS, CAMERAS)


def test_a_path_of_cameras_needs_two():
    config = with_key("video", {"path": "cameras", "cameras": CAMERAS[:1]})
    with pytest.raises(InputError, match=r"video\.cameras: got only 4000\d+, expected two or more"):
        check_config(config, EXPRESSIONS, CAMERAS)


def test_photographs_of_one_camera_are_refused_before_the_run():
    raw = {"preset": "photographs", "capture": {"root": "here"}, "neutral": EXPRESSIONS[0]}
    with pytest.raises(InputError, match=r"here: E001.* got 1 training camera \(1 held out\), expected two or more"):
        check_config(load_config(raw, PRESETS), EXPRESSIONS, CAMERAS[:2])
    check_config(load_config(raw, PRESETS), EXPRESSIONS, CAMERAS[:3])


@pytest.mark.parametrize("name", ["E 1", "Lächeln", "-E1", "a/b"])
def test_a_segment_whose_name_no_path_should_have_is_refused(name):
    with pytest.raises(InputError, match=f"the capture has a segment {name!r}"):
        check_config(DEMO, [*EXPRESSIONS, name], CAMERAS)


def test_the_number_of_components_stays_where_frames_are_enough():
    assert with_components_capped(DEMO, EXPRESSIONS, {}) == (DEMO, None)
    assert with_components_capped(with_key("components.k", 35), EXPRESSIONS, {})[0].components.k == 35


@pytest.mark.parametrize(
    ("changes", "expressions", "tracked", "k", "words"),
    [
        ({"components.k": 36}, EXPRESSIONS, {}, 35, "36 components need 37 training frames, but there are 36 (12 expr"),
        ({}, EXPRESSIONS[:3], {}, 8, "20 components need 21 training frames, but there are 9 (3 expressions)"),
        ({}, EXPRESSIONS, dict.fromkeys(EXPRESSIONS, 1), 11, "there are 12 (12 expressions)"),
        ({"capture.held_out.expressions": EXPRESSIONS[1:10]}, EXPRESSIONS, {}, 8, "there are 9 (3 expressions)"),
        ({"evaluation.learned_folds": 1}, EXPRESSIONS[:4], {}, 8, "there are 9 without one expression (4 expressions)"),
    ],
)
def test_few_frames_get_as_many_components_as_they_allow_with_a_word(changes, expressions, tracked, k, words):
    raw = copy.deepcopy(SHIPPED)
    for key, value in changes.items():
        raw = merged(raw, nested(key, value))
    config, sentence = with_components_capped(load_config(raw, PRESETS), expressions, tracked)
    assert config.components.k == k
    assert words in sentence and sentence.endswith(f"every family gets {k}.")


def test_more_tracked_frames_than_are_used_do_not_count():
    assert with_components_capped(DEMO, EXPRESSIONS[:3], dict.fromkeys(EXPRESSIONS, 100))[0].components.k == 8


def test_one_training_frame_is_refused():
    with pytest.raises(InputError, match=r"got 1 training frame .* expected 2 or more"):
        with_components_capped(with_key("capture.frames_per_expression", 1), EXPRESSIONS[:1], {})


def test_more_folds_than_expressions_are_refused():
    with pytest.raises(InputError, match=r"evaluation\.learned_folds: got 12, expected at most 11"):
        with_components_capped(with_key("evaluation.learned_folds", 12), EXPRESSIONS, {})


def test_more_centers_than_components_are_refused():
    config = with_key("components.sldc.centers", list(range(21)))
    with pytest.raises(InputError, match=r"components\.sldc\.centers: got 21 vertices, expected at most 20"):
        with_components_capped(config, EXPRESSIONS, {})


@given(st.integers(1, 40), st.integers(1, 12))
def test_every_nth_camera_starts_with_the_first_of_the_sorted_names(count, step):
    names = [f"c{i:02d}" for i in range(count)]
    chosen = held_out_cameras(f"every {step}th", names[::-1])
    assert chosen == names[::step]


@pytest.mark.parametrize("name", ["neutral", "tour"])
def test_a_segment_named_as_a_result_is_refused(name):
    with pytest.raises(InputError, match=f"the capture has a segment named {name}, as a file of the results is"):
        check_config(DEMO, [*EXPRESSIONS, name], CAMERAS)
