from pathlib import Path
from types import SimpleNamespace

import pytest

from splatrig.config.load import load_config
from splatrig.rules import params

PRESETS = Path(__file__).resolve().parents[2] / "workflow" / "presets"


def config(**changed):
    return load_config({"preset": "local", "neutral": "Neutral", "capture": {"root": "mine"}} | changed, PRESETS)


def test_values_have_the_last_part_of_their_key_or_the_name_that_is_given():
    found = params.configured(config(), "neutral", "capture.root", weights="components.pca_weights")
    assert found == {"neutral": "Neutral", "root": "mine", "weights": config().components.pca_weights}


def test_a_section_becomes_a_dict_of_its_values():
    assert params.configured(config(), "demo")["demo"] == config().demo.model_dump()


def test_a_key_that_there_is_not_ends_the_run():
    with pytest.raises(AttributeError, match="shine"):
        params.configured(config(), "capture.shine")


def test_options_of_local_components_are_those_of_the_configuration():
    asked = config(components={"k": 7})
    found = params.sldc_options(asked, 2.5)
    assert (found["k"], found["lambda_"], found["distance"]) == (7, 2.5, asked.components.sldc.distance)
    assert list(found) == ["k", "lambda_", "distance", "weights", "centers", "symmetric"]


def test_a_param_only_for_some_jobs_leaves_others_as_they_are():
    fixed = params.only_for("method", "sldc_", 3)
    by_job = params.only_for("method", "sldc_", lambda wildcards: wildcards.method)
    sldc, pca = SimpleNamespace(method="sldc_gauss_xyz"), SimpleNamespace(method="pca_xyz")
    assert (fixed(sldc), fixed(pca)) == (3, None)
    assert (by_job(sldc), by_job(pca)) == ("sldc_gauss_xyz", None)


def test_the_matrix_of_all_attributes_has_the_configured_ones():
    both = config(components={"attributes": ["xyz", "rotation"]})
    assert params.attributes_side_by_side(both, SimpleNamespace(attribute="all")) == ["xyz", "rotation"]
    assert params.attributes_side_by_side(both, SimpleNamespace(attribute="scale")) == ["scale"]


def test_the_original_recipe_takes_its_own_steps():
    assert params.fit_steps(config(), 12) == 12
    original = config(fitting={"recipe": "original", "original_steps": 99})
    assert params.fit_steps(original, 12) == 99
