from pathlib import Path

import pytest
import yaml

from splatrig.capture.demo.camera_names import camera_names
from splatrig.capture.release import choose_segments, read_entity
from splatrig.config.checks import check_config
from splatrig.config.cohort import subject_configs
from splatrig.config.load import load_config, read_config

ROOT = Path(__file__).resolve().parents[1]
EVERY_EXAMPLE = sorted((ROOT / "docs" / "examples").glob("*.yaml"))
COHORTS = [path for path in EVERY_EXAMPLE if "subjects" in yaml.safe_load(path.read_text())]
EXAMPLES = [path for path in EVERY_EXAMPLE if path not in COHORTS]


def read(path):
    return read_config([ROOT / "config.yaml", path], ROOT / "workflow" / "presets")


def preset_of(capture):
    if capture.expressions == "all" or not isinstance(capture.expressions, str):
        return []
    return yaml.safe_load((ROOT / "resources" / "expressions" / f"{capture.expressions}.yaml").read_text())


def examples(source):
    chosen = [path for path in EXAMPLES if read(path).capture.source == source]
    return pytest.mark.parametrize("path", chosen, ids=lambda path: path.stem)


@examples("multiface")
def test_a_multiface_configuration_is_valid_and_names_what_its_entity_has(path):
    config = read(path)
    entity = read_entity(ROOT / "resources" / "multiface" / f"{config.capture.entity}.yaml")
    expressions = choose_segments(config.capture.expressions, preset_of(config.capture), entity.segments)
    check_config(config, expressions, entity.cameras)


@examples("local")
def test_a_local_configuration_is_valid_for_a_folder_that_has_its_neutral(path):
    config = read(path)
    segments = [config.neutral, *(f"Segment_{number}" for number in range(5))]
    check_config(config, segments, [f"camera{number}" for number in range(9)])


@examples("photographs")
def test_a_configuration_of_photographs_takes_the_settings_of_the_demo(path):
    config, demo = read(path), read(ROOT / "config.yaml")
    check_config(config, list(preset_of(config.capture)), None)
    assert config.learned == demo.learned and config.fitting == demo.fitting and config.mesh == demo.mesh
    assert config.capture.root == "resources/captures/demo" and config.subject != demo.subject


@examples("demo")
def test_a_demo_configuration_is_valid_and_keeps_its_files_apart_from_the_demos(path):
    config, demo = read(path), read(ROOT / "config.yaml")
    check_config(config, list(preset_of(config.capture)), camera_names(config.demo.cameras))
    assert config.subject != demo.subject and config.capture.root != demo.capture.root


def test_there_are_examples_of_every_source():
    assert {read(path).capture.source for path in EXAMPLES} == {"ava256", "demo", "local", "multiface", "photographs"}


@pytest.mark.parametrize("path", COHORTS, ids=lambda path: path.stem)
def test_the_subjects_of_a_cohort_are_made_as_those_of_the_single_runs(path):
    presets = ROOT / "workflow" / "presets"
    raw = {**yaml.safe_load((ROOT / "config.yaml").read_text()), **yaml.safe_load(path.read_text())}
    found = {name: load_config(own, presets) for name, own in subject_configs(raw).items()}
    demo, second = read(ROOT / "config.yaml"), read(ROOT / "docs" / "examples" / "second_person.yaml")
    assert found == {"demo": demo.model_copy(update={"subject": "demo"}), "second": second}
