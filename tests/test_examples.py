from pathlib import Path

import pytest
import yaml

from splatrig.capture.demo.rig import camera_names
from splatrig.capture.release import choose_segments, read_entity
from splatrig.config.checks import check_config, load_config, read_config
from splatrig.config.models import to_mapping

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.yaml"))


def read(path):
    return read_config([ROOT / "config.yaml", path], SCHEMA)


def preset_of(capture):
    if not isinstance(capture.expressions, str):
        return []
    return yaml.safe_load((ROOT / "resources" / "expressions" / f"{capture.expressions}.yaml").read_text())


def named(mapping, prefix=""):
    """The dotted keys of a mapping that hold values."""
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield from named(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def examples(source):
    chosen = [path for path in EXAMPLES if read(path).capture.source == source]
    return pytest.mark.parametrize("path", chosen, ids=lambda path: path.stem)


REAL = [path for path in EXAMPLES if read(path).capture.source != "demo"]


@examples("multiface")
def test_a_multiface_configuration_is_valid_and_names_what_its_entity_has(path):
    config = read(path)
    entity = read_entity(ROOT / "resources" / "multiface" / f"{config.capture.entity}.yaml")
    expressions = choose_segments(config.capture.expressions, preset_of(config.capture), entity.segments)
    check_config(config, expressions, entity.cameras)


@examples("local")
def test_a_local_configuration_is_valid_for_a_folder_that_has_its_neutral(path):
    config = read(path)
    segments = [config.capture.neutral, *(f"Segment_{number}" for number in range(5))]
    check_config(config, segments, [f"camera{number}" for number in range(9)])


@examples("demo")
def test_a_demo_configuration_is_valid_and_keeps_its_files_apart_from_the_demos(path):
    config, demo = read(path), read(ROOT / "config.yaml")
    check_config(config, list(preset_of(config.capture)), camera_names(config.demo.cameras))
    assert config.subject != demo.subject and config.capture.root != demo.capture.root


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_an_example_of_a_real_capture_takes_no_number_of_fits_and_rigs_from_the_demo(path):
    bare = {"subject": "bare", "capture": {"source": "local", "root": "bare", "expressions": ["A"], "neutral": "A"}}
    defaults = dict(named(to_mapping(load_config(bare, yaml.safe_load(SCHEMA.read_text())))))
    demo = dict(named(to_mapping(read(ROOT / "config.yaml"))))
    of_the_demo = {
        key
        for key in defaults
        if key.split(".")[0] in {"training", "components", "learned"} and demo[key] != defaults[key]
    }
    assert {"training.steps.frame", "learned.steps", "learned.level", "learned.back_faces"} <= of_the_demo
    assert of_the_demo <= set(dict(named(yaml.safe_load(path.read_text())))), "say it, or it is the demo's"


def test_there_are_examples_of_every_source():
    assert {read(path).capture.source for path in EXAMPLES} == {"demo", "local", "multiface"}
