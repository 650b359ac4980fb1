"""From what a user writes to the typed configuration."""

import copy
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from splatrig.config.load import FORMER, load_config, merged, read_config
from splatrig.config.models import Config
from splatrig.config.section import Section
from splatrig.io.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
PRESETS = ROOT / "workflow" / "presets"
MINE = {"preset": "local", "capture": {"root": "captures/me"}, "neutral": "Neutral"}


def nested(dotted: str, value: object) -> dict:
    key, _, rest = dotted.partition(".")
    return {key: nested(rest, value) if rest else value}


def changed(dotted: str, value: object) -> dict:
    return merged(copy.deepcopy(MINE), nested(dotted, value))


def sections(model: type[BaseModel] = Config, prefix: str = "") -> list[tuple[str, type[BaseModel]]]:
    """Every section of the configuration with its dotted key and a point."""
    found = [(prefix, model)]
    for name, field in model.model_fields.items():
        if isinstance(field.default, Section):
            found += sections(type(field.default), f"{prefix}{name}.")
    return found


def keys() -> list[str]:
    """Every dotted key that holds a value."""
    return [
        f"{prefix}{name}"
        for prefix, model in sections()
        for name, field in model.model_fields.items()
        if not isinstance(field.default, Section)
    ]


def test_the_shipped_configuration_runs_the_demo():
    config = read_config([ROOT / "config.yaml"], PRESETS)
    assert (config.preset, config.subject, config.capture.root) == ("demo", "demo", "resources/captures/demo")
    assert (config.capture.source, config.learned.steps, config.learned.level) == ("demo", 2500, "base")


def test_three_lines_give_a_real_capture_the_full_size_settings():
    config = load_config(MINE, PRESETS)
    full = Config(neutral="Neutral")
    assert (config.capture.source, config.subject, config.capture.root) == ("local", "me", "captures/me")
    for section in set(Config.model_fields) - {"preset", "subject", "capture", "control", "video", "export"}:
        assert getattr(config, section) == getattr(full, section), section
    assert (full.fitting.neutral_steps, full.fitting.frame_steps) == (2000, 200)
    assert (full.learned.steps, full.learned.photographs_per_step, full.learned.level) == (12000, 4, "finest")
    assert (full.learned.back_faces, full.learned.dropout) == (None, 0.0)


@pytest.mark.parametrize(("learned", "first"), [(["local", "global"], "learned_local"), ([], "pca_all")])
def test_what_moves_the_head_are_the_learned_families_in_their_order_unless_others_are_named(learned, first):
    config = load_config(changed("learned.families", learned), PRESETS)
    assert config.control.families == ([f"learned_{name}" for name in learned] or ["pca_all"])
    assert (config.video.family, config.export.family) == (first, first)
    named = load_config(merged(changed("learned.families", learned), {"export": {"family": "pca_xyz"}}), PRESETS)
    assert (named.export.family, named.video.family) == ("pca_xyz", first)
    assert load_config(MINE, PRESETS).video.family == "learned_arkit"


def test_an_entity_of_multiface_needs_no_more_than_its_number():
    config = load_config({"preset": "multiface", "capture": {"entity": "6795937"}}, PRESETS)
    assert (config.subject, config.capture.root) == ("6795937", "resources/captures/6795937")
    assert (config.neutral, config.capture.expressions) == ("E001_Neutral_Eyes_Open", "multiface_v1")
    assert config.learned == Config(neutral="any").learned


@pytest.mark.parametrize(("key", "value"), [("root", "captures/me"), ("source", "local"), ("entity", "6795937")])
def test_another_capture_with_the_demos_preset_is_refused_and_not_run_as_the_demo(key, value):
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    with pytest.raises(
        InputError, match=rf"capture\.{key}: got {value} with preset: demo, .*\(ava256, .*, photographs\)"
    ):
        load_config(merged(shipped, {"capture": {key: value}}), PRESETS)


def test_every_preset_is_valid_where_its_capture_is_named():
    presets = sorted(PRESETS.glob("*.yaml"))
    assert len(presets) >= 3
    for path in presets:
        named = {} if path.stem == "demo" else {"capture": {"root": "here"}}
        assert load_config({"neutral": "N", "preset": path.stem, **named}, PRESETS).preset == path.stem


def test_a_users_values_win_over_the_presets_and_those_over_the_defaults():
    config = load_config({"preset": "demo", "learned": {"steps": 7}}, PRESETS)
    assert (config.learned.steps, config.learned.solve_steps) == (7, 60)
    assert config.learned.devices == Config(neutral="any").learned.devices


def test_later_files_replace_what_earlier_ones_said_key_by_key(tmp_path):
    (tmp_path / "my.yaml").write_text("learned: {steps: 9}\nseed: 3\n", encoding="utf-8")
    config = read_config([ROOT / "config.yaml", tmp_path / "my.yaml"], PRESETS)
    shipped = read_config([ROOT / "config.yaml"], PRESETS)
    assert config == shipped.model_copy(update={"seed": 3, "learned": shipped.learned.model_copy(update={"steps": 9})})


@pytest.mark.parametrize(
    ("text", "words"), [("a: [", "cannot be read as a configuration"), ("- 1", "expected keys and values")]
)
def test_a_file_that_is_no_configuration_is_named(tmp_path, text, words):
    (tmp_path / "my.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words) as found:
        read_config([tmp_path / "my.yaml"], PRESETS)
    assert "my.yaml" in str(found.value)


@pytest.mark.parametrize(
    ("root", "subject"), [("a/My head, 2", "My_head_2"), ("/data/x/", "x"), ("./_hidden", "hidden"), ("b.c-d", "b.c-d")]
)
def test_the_subject_is_named_after_the_folder(root, subject):
    assert load_config(changed("capture.root", root), PRESETS).subject == subject


def test_a_folder_that_names_nothing_asks_for_a_subject():
    with pytest.raises(InputError, match="configuration, subject: no name can be derived from /_; add the key"):
        load_config(changed("capture.root", "/_"), PRESETS)


def test_there_is_one_place_for_every_key_and_few_of_them():
    assert len(keys()) == len(set(keys())) <= 91  # 90, and `subjects`, which is a file of such configurations


def test_every_key_says_in_a_sentence_what_it_sets():
    for prefix, model in sections():
        assert (model.__doc__ or "").strip().endswith("."), prefix
        for name, field in model.model_fields.items():
            if isinstance(field.default, Section) or (field.default is None and prefix.endswith("supports.")):
                continue
            assert field.description and field.description[0].isupper() | (field.description[0] == "`"), name
            assert field.description.endswith("."), name


def test_every_section_rejects_unknown_keys():
    for prefix, _ in sections():
        with pytest.raises(InputError, match="unknown key 'nonsense'"):
            load_config(changed(f"{prefix}nonsense", 1), PRESETS)


@pytest.mark.parametrize("former", FORMER)
def test_a_key_of_an_earlier_version_is_told_its_successor(former):
    successor = FORMER[former]
    with pytest.raises(InputError, match="of an earlier version") as error:
        load_config(nested(former, 1), PRESETS)
    assert former in str(error.value)
    assert former not in keys()
    if successor is not None:
        assert successor in str(error.value)
        assert any(key == successor or key.startswith(f"{successor}.") for key in keys())


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("preset", "loca", "preset: got 'loca', expected one of ava256, demo, goliath, local, multiface, nerf"),
        ("capture.frames_per_expresion", 3, "did you mean frames_per_expression?"),
        ("seed", "x", "seed: got 'x', expected a whole number"),
        ("seed", True, "seed: got True, expected a whole number"),
        ("seed", 2**32, "seed: got 4294967296, expected a whole number (at least 0, at most 4294967295)"),
        ("capture.image_scale", 0, "capture.image_scale: got 0, expected a number (at most 1, more than 0)"),
        ("fitting.recipe", "hot", "fitting.recipe: got 'hot', expected one of warm, original"),
        ("capture.held_out.cameras", "every other", "capture.held_out.cameras: got 'every other'"),
        ("components.sldc.supports.gaus", {}, "unknown key 'gaus'; did you mean gauss?"),
        (
            "components.sldc.supports.trapezoid.d_min",
            0.7,
            "components.sldc.supports.trapezoid: expected d_min < d_max, got d_min 0.7",
        ),
        ("components.sldc.supports.gauss.sigma", 0.0, "supports.gauss.sigma: got 0.0, expected a number (more than 0)"),
        ("export.mesh_level", "fine", "got 'fine', expected one of base, subd1, subd2, subd3, finest"),
        ("components.sldc.sparsity", -1, "components.sldc.sparsity: got -1, expected a number (at least 0)"),
        ("learned.dropout", float("nan"), "learned.dropout: got nan, expected a number (at least 0, less than 1)"),
        ("video.fps", float("inf"), "video.fps: got inf, expected a number"),
        ("learned.sparsity", "1e-3", "expected a number (at least 0); YAML reads it as text: write 0.001."),
        ("learned.steps", "1e3", "expected a whole number (at least 1); YAML reads it as text: write 1000."),
        ("learned.steps", 2.0, "learned.steps: got 2.0, expected a whole number"),
        ("learned.back_faces", 3.0, "learned.back_faces: got 3.0, expected a number (at least -1, at most 1) or null"),
        ("learned.families", ["globl"], "learned.families.0: got 'globl', expected one of arkit, global, local"),
        ("fitting", None, "expected a section of keys; delete the line if nothing is below it."),
        ("neutral", 3, 'write a name of digits in quotes: "3".'),
        ("capture.cameras", [400002], "capture.cameras.0: got 400002, expected a text"),
        ("capture.cameras", [400002], 'write a name of digits in quotes: "400002".'),
        ("capture.cameras", ["a", "a"], "expected all or a list (with 1 or more items, each of them once)"),
        ("capture.cameras", [], "expected all or a list (with 1 or more items, each of them once)"),
        ("rendering.families", ["a_b", "a_b"], "expected a list (with 1 or more items, each of them once)"),
    ],
)
def test_one_sentence_names_key_value_and_expectation(key, value, sentence):
    with pytest.raises(InputError) as error:
        load_config(changed(key, value), PRESETS)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["capture", "neutral"])
def test_what_a_real_capture_must_say_is_asked_for(key):
    raw = {name: value for name, value in MINE.items() if name != key}
    with pytest.raises(InputError, match=rf"the key '{'root' if key == 'capture' else key}' is missing.*add it"):
        load_config(raw, PRESETS)
