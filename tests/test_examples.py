from pathlib import Path

import pytest
import yaml

from splatrig.capture.demo.rig import camera_names
from splatrig.capture.release import choose_segments, read_entity
from splatrig.config_checks import check_config, read_config

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.yaml"))


def read(path):
    return read_config([ROOT / "config.yaml", path], ROOT / "workflow" / "schemas" / "config.schema.yaml")


def preset_of(capture):
    if not isinstance(capture.expressions, str):
        return []
    return yaml.safe_load((ROOT / "resources" / "expressions" / f"{capture.expressions}.yaml").read_text())


@pytest.mark.parametrize("path", [path for path in EXAMPLES if "multiface" in path.stem], ids=lambda path: path.stem)
def test_a_multiface_configuration_is_valid_and_names_what_its_entity_has(path):
    config = read(path)
    entity = read_entity(ROOT / "resources" / "multiface" / f"{config.capture.entity}.yaml")
    expressions = choose_segments(config.capture.expressions, preset_of(config.capture), entity.segments)
    check_config(config, expressions, entity.cameras)


@pytest.mark.parametrize(
    "path", [path for path in EXAMPLES if "multiface" not in path.stem], ids=lambda path: path.stem
)
def test_a_demo_configuration_is_valid_and_keeps_its_files_apart_from_the_demos(path):
    config, demo = read(path), read(ROOT / "config.yaml")
    check_config(config, list(preset_of(config.capture)), camera_names(config.demo.cameras))
    assert config.subject != demo.subject and config.capture.root != demo.capture.root


def test_there_are_examples():
    assert EXAMPLES
