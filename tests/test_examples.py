from pathlib import Path

import pytest
import yaml

from splatrig.capture.release import choose_segments, read_entity
from splatrig.config_checks import check_config, load_config

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.yaml"))


def merged(base, changes):
    """Snakemake's merge of configuration files."""
    if not (isinstance(base, dict) and isinstance(changes, dict)):
        return changes
    return base | {key: merged(base.get(key), value) for key, value in changes.items()}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_configuration_is_valid_and_names_what_its_entity_has(path):
    schema = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text())
    raw = merged(yaml.safe_load((ROOT / "config.yaml").read_text()), yaml.safe_load(path.read_text()))
    config = load_config(raw, schema)
    entity = read_entity(ROOT / "resources" / "multiface" / f"{config.capture.entity}.yaml")
    preset = []
    if isinstance(config.capture.expressions, str):
        text = (ROOT / "resources" / "expressions" / f"{config.capture.expressions}.yaml").read_text()
        preset = yaml.safe_load(text)
    expressions = choose_segments(config.capture.expressions, preset, entity.segments)
    check_config(config, expressions, entity.cameras)


def test_there_are_examples():
    assert EXAMPLES
