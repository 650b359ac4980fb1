"""Versions agree wherever they are written."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from splatrig.jobs.digest import modules_used_by

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"pytorch": "torch"}
PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn", "torch": "pytorch", "yaml": "pyyaml"}
"""Conda packages that are not called what they are imported as."""

CUDA_ONLY = {"gsplat", "diff_gaussian_rasterization", "simple_knn", "triton", "fussim"}
"""What a user with a GPU installs beside an environment."""


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


def pins_of(env: Path) -> list[str]:
    """Return `name=version` of all packages of an environment, those that pip installs there included."""
    entries = yaml.safe_load(env.read_text())["dependencies"]
    by_pip = [pin for entry in entries if isinstance(entry, dict) for pin in entry["pip"]]
    return [entry for entry in entries if isinstance(entry, str)] + [pin.replace("==", "=") for pin in by_pip]


@pytest.mark.parametrize("env", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_conda_environments_agree_with_the_requirements(env):
    dependencies = pins_of(env)
    assert dependencies[0].startswith("python=3.")
    for dependency in dependencies[1:]:
        name, version = dependency.split("=")
        assert REQUIREMENTS[CONDA_NAMES.get(name, name)] == version, dependency


def rules_with_environments() -> list[tuple[str, list[str], Path]]:
    """Return name, environments (alternatives) and script of every rule that has both."""
    found = []
    for path in sorted((ROOT / "workflow" / "rules").rglob("*.smk")):
        for body in re.split(r"^ *(?=rule )", path.read_text(), flags=re.MULTILINE)[1:]:
            script = re.search(r"scripts/(\w+\.py)\"", body.split("script:")[-1])
            if script:
                environments = re.findall(r"envs/(\w+)\.yaml", body)
                found.append((body.split(":")[0].split()[1], environments, ROOT / "workflow" / "scripts" / script[1]))
    return found


class Running(ast.NodeTransformer):
    """Leaves out what only type checkers read."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        return node.orelse if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


def imports(path: Path) -> set[str]:
    """Return the packages that a file imports anywhere, as conda calls them, but for the standard library."""
    names = set()
    for node in ast.walk(Running().visit(ast.parse(path.read_text()))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return {PACKAGES.get(name, name) for name in names - sys.stdlib_module_names - CUDA_ONLY - {"splatrig"}}


def packages_of(environment: str) -> set[str]:
    dependencies = pins_of(ROOT / "envs" / f"{environment}.yaml")
    return {dependency.split("=")[0].replace("-", "_") for dependency in dependencies}


RULES = rules_with_environments()


def test_every_script_belongs_to_a_rule_with_an_environment():
    assert {script.name for *_, script in RULES} == {path.name for path in (ROOT / "workflow" / "scripts").glob("*.py")}
    assert all(environments for _, environments, _ in RULES)


@pytest.mark.parametrize(("rule", "environments", "script"), RULES, ids=[rule for rule, *_ in RULES])
def test_an_environment_has_all_that_its_rules_can_import(rule, environments, script):
    """Where a rule has one environment for CPUs and one for GPUs, they count together."""
    library = ROOT / "workflow" / "lib"
    sources = [script]
    for name in modules_used_by(script):
        path = library.joinpath(*name.split("."))
        sources.append(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"))
    offered = [packages_of(environment) for environment in environments]
    needed = {name.replace("-", "_") for path in sources for name in imports(path)}
    assert needed - set.union(*offered) == set(), rule


@pytest.mark.parametrize("name", ["Dockerfile", "apptainer.def"])
def test_a_container_has_the_python_of_the_environments_and_the_pinned_requirements(name):
    text = (ROOT / name).read_text()
    python = re.search(r"python:(\d+\.\d+)-", text)[1]
    for path in (ROOT / "envs").glob("*.yaml"):
        assert yaml.safe_load(path.read_text())["dependencies"][0] == f"python={python}", path
    assert re.search(r"pip install .*-r \S*/requirements\.txt -c \S*/constraints\.txt", text)


def test_the_python_of_the_environments_is_one_that_the_project_supports():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    version = settings["tool"]["mypy"]["python_version"]
    assert settings["tool"]["ruff"]["target-version"] == f"py{version.replace('.', '')}"
    for path in (ROOT / "envs").glob("*.yaml"):
        assert yaml.safe_load(path.read_text())["dependencies"][0] == f"python={version}", path
