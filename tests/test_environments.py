"""Versions agree wherever they are written."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"pytorch": "torch"}


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    found = [re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", line.strip()) for line in lines]
    return {match[1].lower().replace("_", "-"): match[2] for match in found if match}


REQUIREMENTS = pins("requirements.txt")


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "constraints.txt"])
def test_every_requirement_is_pinned(name):
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    assert all("==" in line for line in lines if line)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_requirements_agree_with_the_constraints(name):
    constraints = pins("constraints.txt")
    for package, version in pins(name).items():
        if package != "torch":  # its local version label (+cpu) differs from machine to machine
            assert constraints[package] == version, package


@pytest.mark.parametrize("env", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_conda_environments_agree_with_the_requirements(env):
    dependencies = yaml.safe_load(env.read_text())["dependencies"]
    assert dependencies[0].startswith("python=3.")
    for dependency in dependencies[1:]:
        name, version = dependency.split("=")
        assert REQUIREMENTS[CONDA_NAMES.get(name, name)] == version, dependency
