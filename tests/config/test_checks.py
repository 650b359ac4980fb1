import copy
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from splatrig.config.checks import check_config, check_families, check_names, load_config, merged, read_config
from splatrig.config.models import Config, from_mapping, to_mapping
from splatrig.config.names import held_out_cameras
from splatrig.io.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
RAW = yaml.safe_load((ROOT / "config.yaml").read_text())
SCHEMA_FILE = ROOT / "workflow/schemas/config.schema.yaml"
SCHEMA = yaml.safe_load(SCHEMA_FILE.read_text())
EXPRESSIONS = ["E001_Neutral_Eyes_Open", *(f"E{i:03d}_Something" for i in range(2, 13))]
CAMERAS = [f"4000{i:02d}" for i in range(16)]


def nested(dotted: str, value: object) -> dict:
    key, _, rest = dotted.partition(".")
    return {key: nested(rest, value) if rest else value}


def changed(dotted: str, value: object) -> dict:
    return merged(copy.deepcopy(RAW), nested(dotted, value))


def sections(schema: dict, prefix: str = "") -> list[tuple[str, dict]]:
    found = []
    for key, part in schema.get("properties", {}).items():
        found.append((prefix + key, part))
        found += sections(part, f"{prefix}{key}.")
    return found


def test_shipped_config_is_valid_and_names_every_key():
    config = load_config(RAW, SCHEMA)
    assert isinstance(config, Config)
    assert to_mapping(config) == RAW


def test_later_files_replace_what_earlier_ones_said_key_by_key(tmp_path):
    (tmp_path / "my.yaml").write_text("subject: mine\ncontrol: {drag: {reach: 2.0}}\n", encoding="utf-8")
    config = read_config([ROOT / "config.yaml", tmp_path / "my.yaml"], SCHEMA_FILE)
    expected = load_config(RAW, SCHEMA)
    assert (config.subject, config.control.drag.reach) == ("mine", 2.0)
    assert replace(config.control.drag, reach=1.5) == expected.control.drag
    assert config.training == expected.training


@pytest.mark.parametrize(
    ("text", "words"), [("a: [", "cannot be read as a configuration"), ("- 1", "expected keys and values")]
)
def test_a_file_that_is_no_configuration_is_named(tmp_path, text, words):
    (tmp_path / "my.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words) as found:
        read_config([tmp_path / "my.yaml"], SCHEMA_FILE)
    assert "my.yaml" in str(found.value)


def test_defaults_fill_what_is_left_out():
    config = load_config({"subject": "x", "capture": {"root": "somewhere"}}, SCHEMA)
    assert (
        config.components.sldc.gauss.sigma
        == SCHEMA["properties"]["components"]["properties"]["sldc"]["properties"]["gauss"]["properties"]["sigma"][
            "default"
        ]
    )


def test_every_object_of_the_schema_rejects_unknown_keys():
    for name, part in sections(SCHEMA):
        if part.get("type") == "object":
            assert part["additionalProperties"] is False, name
            with pytest.raises(InputError, match="unknown key 'nonsense'"):
                load_config(changed(f"{name}.nonsense", 1), SCHEMA)


def test_mapping_round_trip_keeps_python_keywords():
    sldc = load_config(RAW, SCHEMA).components.sldc
    assert to_mapping(sldc)["lambda"] == sldc.lambda_
    assert from_mapping(type(sldc), to_mapping(sldc)) == sldc


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("capture.frames_per_expresion", 3, "did you mean frames_per_expression?"),
        ("seed", "x", "seed: got 'x', expected a whole number"),
        ("capture.image_scale", 0, "capture.image_scale: got 0, expected a number"),
        ("training.recipe", "hot", "training.recipe: got 'hot', expected one of warm, original"),
        ("capture.held_out.cameras", "every other", "capture.held_out.cameras: got 'every other'"),
        ("components.sldc.supports", ["gaus"], "components.sldc.supports: got gaus, expected one of gauss, trapezoid"),
        (
            "components.sldc.trapezoid.d_min",
            0.7,
            "components.sldc.trapezoid: expected 0 <= d_min < d_max, got d_min 0.7",
        ),
        ("export.mesh_level", "fine", "got 'fine', expected one of base, subd1, subd2, subd3 or null"),
        ("components.sldc.lambda", -1, "components.sldc.lambda: got -1, expected a number (at least 0)"),
        ("learned.dropout", float("nan"), "learned.dropout: got nan, expected a number (at least 0, less"),
        ("learned.memory_gib", float("inf"), "learned.memory_gib: got inf, expected a number"),
        ("learned.local.lambda", "1e-3", "expected a number (at least 0); YAML takes it for a text: write 0.001."),
        ("learned.steps", "1e3", "expected a whole number (at least 1); YAML takes it for a text: write 1000."),
        ("learned.steps", 2.0, "learned.steps: got 2.0, expected a whole number"),
        ("seed", True, "seed: got True, expected a whole number"),
        ("training", None, "expected a section of keys; leave the line out where nothing is below it."),
        ("capture.cameras", [400002], "capture.cameras.0: got 400002, expected a text"),
        ("capture.cameras", [400002], 'a name of digits stands in quotes: "400002".'),
        ("capture.cameras", ["a", "a"], "expected a list (with 1 or more items, each of them once)"),
    ],
)
def test_one_sentence_names_key_value_and_expectation(key, value, sentence):
    with pytest.raises(InputError) as error:
        load_config(changed(key, value), SCHEMA)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("capture.source", "folder", "capture.source: got folder, expected one of demo, local."),
        ("training.rasterizer", "fast", "training.rasterizer: got fast, expected one of auto, numba."),
        ("components.sldc.attribute", "foo", "components.sldc.attribute: got foo, expected one of xyz, rgb, all."),
        ("components.attributes", ["xyz", "rgb"], "components.attributes: got rgb, expected one of xyz."),
    ],
)
def test_a_name_that_no_table_has_is_named(key, value, sentence):
    raw = copy.deepcopy(RAW)
    raw["components"]["attributes"] = ["xyz"]
    config = load_config(merged(raw, nested(key, value)), SCHEMA)
    with pytest.raises(InputError) as error:
        check_names(config, ["demo", "local"], ["numba"], ["xyz", "rgb"], ["xyz"])
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("rendering.families", ["pca_al"], "rendering.families: got pca_al, expected one of pca_all, pca_f_dc."),
        ("control.families", ["learned_rows"], "got learned_rows, expected one of learned_global, learned_local."),
        ("video.family", "foo_all", "video.family: got foo_all, expected one of pca_…, learned_…."),
        (
            "export.family",
            "learned_al",
            "export.family: got learned_al, expected one of learned_global, learned_local.",
        ),
        ("export.family", "pca_f_dc", "export.family: pca_f_dc moves no centres"),
        ("control.families", ["pca_f_dc"], "control.families: pca_f_dc moves no centres"),
        (
            "learned.families",
            ["local"],
            "control.families: learned_global is not made, since learned.families is [local]",
        ),
    ],
)
def test_a_family_that_is_not_made_or_moves_no_centers_is_named(key, value, sentence):
    families = {"pca": ["pca_all", "pca_f_dc"], "learned": ["learned_global", "learned_local"]}
    config = load_config(merged({**RAW, "rendering": {"families": ["pca_all"]}}, nested(key, value)), SCHEMA)
    with pytest.raises(InputError) as error:
        check_families(config, families)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("components.pca.k", 1000, "components.pca.k: got 1000, expected at most 35, one less than there are training"),
        ("components.pca.k", 36, "components.pca.k: got 36, expected at most 35, one less than there are training"),
        ("components.sldc.k", 37, "components.sldc.k: got 37, expected at most 36, the training frames"),
        ("components.sldc.centers", list(range(21)), "got 21 vertices, expected at most components.sldc.k = 20"),
        ("components.attributes", ["f_dc"], "components.attributes: got [f_dc], expected xyz among them"),
        ("capture.neutral", "E999_No", "capture.neutral: E999_No is not among the expressions"),
        ("capture.held_out.expressions", ["E999_No"], "E999_No is not among the expressions"),
        ("capture.held_out.expressions", ["E001_Neutral_Eyes_Open"], "cannot be held out"),
        ("evaluation.learned_folds", 12, "expected at most 11, the expressions to learn from without the neutral's"),
        ("capture.held_out.cameras", ["nope"], "camera nope does not exist"),
        ("capture.held_out.cameras", CAMERAS, "all 16 cameras are held out"),
        ("capture.cameras", ["400001", "nope"], "capture.cameras: camera nope does not exist"),
        ("capture.frames_per_expression", 4, "expected at most demo.frames = 3"),
        ("capture.source", "multiface", "capture.entity: got null"),
        ("mesh.subdivisions", 1, "subd1 is the finest level already"),
        ("mesh.subdivisions", 0, "components.upsample: got subd1"),
        ("control.percentiles", [99, 1], "control.percentiles: got [99, 1], expected the lower one first"),
        ("export.poses", ["nope-2s"], "export.poses: got nope-2s, expected neutral, an expression"),
        ("video.tracks", ["tour", "nope"], "video.tracks: got nope, expected tour, an expression (E001"),
        ("export.poses", ["nope"], "export.poses: got nope, expected neutral, an expression (E001_Neutral_Eyes_Open, "),
        ("learned.devices", 2, "learned.batch.frames: got 1, expected a multiple of learned.devices = 2"),
        ("learned.level", "subd3", "learned.level: got subd3"),
        ("evaluation.ks", [25], "evaluation.ks: got 25"),
        ("rendering.components", 15, "expected at most 10, the smallest k"),
    ],
)
def test_cross_field_mistakes_are_named(key, value, sentence):
    config = load_config(changed(key, value), SCHEMA)
    with pytest.raises(InputError) as error:
        check_config(config, EXPRESSIONS, CAMERAS)
    assert sentence in str(error.value)


def test_a_path_of_cameras_needs_two():
    raw = changed("video.cameras", CAMERAS[:1])
    raw["video"]["path"] = "cameras"
    with pytest.raises(InputError, match=r"video\.cameras: got only 4000\d+, expected two or more"):
        check_config(load_config(raw, SCHEMA), EXPRESSIONS, CAMERAS)


def test_rigs_that_cannot_be_learned_without_an_expression_are_refused():
    raw = changed("evaluation.learned_folds", 1)
    raw["components"]["pca"]["k"] = 33
    sentence = "without one expression there are 33 training frames, .* lower components.pca.k to 32"
    with pytest.raises(InputError, match=sentence):
        check_config(load_config(raw, SCHEMA), EXPRESSIONS, CAMERAS)


@pytest.mark.parametrize("name", ["E 1", "Lächeln", "-E1", "a/b"])
def test_a_segment_whose_name_no_path_should_have_is_refused(name):
    with pytest.raises(InputError, match=f"the capture has a segment {name!r}"):
        check_config(load_config(RAW, SCHEMA), [*EXPRESSIONS, name], CAMERAS)


def test_held_out_expressions_do_not_count_as_training_frames():
    config = load_config(RAW, SCHEMA)
    held_out = replace(config.capture.held_out, expressions=EXPRESSIONS[1:10])
    config = replace(config, capture=replace(config.capture, held_out=held_out))
    with pytest.raises(InputError, match=r"components.sldc.k: got 20, expected at most 9.*3 expressions × 3 frames"):
        check_config(config, EXPRESSIONS, CAMERAS)


def test_all_numbers_that_few_frames_do_not_allow_are_named_at_once():
    with pytest.raises(InputError) as error:
        check_config(load_config(RAW, SCHEMA), EXPRESSIONS[:1], CAMERAS)
    bounds = {"components.pca.k": 2, "components.mbspca.k": 3, "components.sldc.k": 3}
    for key, most in (bounds | {"evaluation.ks": 2, "rendering.components": 2}).items():
        assert re.search(rf"{key}: got \d+, expected at most {most}, ", str(error.value))


def test_one_training_frame_is_refused():
    config = load_config(changed("capture.frames_per_expression", 1), SCHEMA)
    with pytest.raises(InputError, match=r"got 1 training frame .* expected 2 or more"):
        check_config(config, EXPRESSIONS[:1], CAMERAS)


def test_segments_with_fewer_tracked_frames_than_asked_for_count_as_those():
    config = load_config(RAW, SCHEMA)
    check_config(config, EXPRESSIONS, CAMERAS, dict.fromkeys(EXPRESSIONS, 100))
    with pytest.raises(
        InputError, match=r"components.pca.k: got 20, expected at most 11.*12 frames with a tracked mesh"
    ):
        check_config(config, EXPRESSIONS, CAMERAS, dict.fromkeys(EXPRESSIONS, 1))


@given(st.integers(1, 40), st.integers(1, 12))
def test_every_nth_camera_starts_with_the_first_of_the_sorted_names(count, step):
    names = [f"c{i:02d}" for i in range(count)]
    chosen = held_out_cameras(f"every {step}th", names[::-1])
    assert chosen == names[::step]
