"""Versions agree wherever they are written."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml

import splatrig
from splatrig.jobs.digest import modules_used_by

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"pytorch": "torch"}
PACKAGES = {"PIL": "pillow", "pxr": "usd-core", "sklearn": "scikit-learn", "torch": "pytorch", "yaml": "pyyaml"}
"""Packages that are not called what they are imported as."""

CUDA_ONLY = {"gsplat", "diff_gaussian_rasterization", "simple_knn", "triton", "fussim"}
"""What a user with a GPU installs in addition to an environment."""

NOT_IMPORTED = {"python", "tqdm", "imageio_ffmpeg", "pydantic"}
"""What an environment may have although no module of its rules names it: progress bars and the models of the
configuration are loaded by modules that change no result, and films are encoded by what imageio loads."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, str]:
    """Return the version of every package of constraints.txt."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(line.count("==") == 1 for line in lines)
    return {normalized(name): version for name, version in (line.split("==") for line in lines)}


PINS = pinned()


def test_every_requirement_is_pinned_in_one_place():
    extras = PROJECT["optional-dependencies"]
    for requirement in chain(PROJECT["dependencies"], *extras.values()):
        assert "==" not in requirement
        assert normalized(re.split(r"[\[><;]", requirement)[0]) in PINS, requirement


def test_the_citation_has_the_version_of_the_library():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (splatrig.__version__, PROJECT["license"])


def pins_of(env: Path) -> list[str]:
    """Return `name=version` of all packages of an environment, those that pip installs there included."""
    entries = yaml.safe_load(env.read_text())["dependencies"]
    by_pip = [pin for entry in entries if isinstance(entry, dict) for pin in entry["pip"]]
    return [entry for entry in entries if isinstance(entry, str)] + [pin.replace("==", "=") for pin in by_pip]


@pytest.mark.parametrize("env", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_conda_environments_agree_with_the_constraints(env):
    dependencies = pins_of(env)
    assert dependencies[0].startswith("python=3.")
    for dependency in dependencies[1:]:
        name, version = dependency.split("=")
        assert PINS[CONDA_NAMES.get(name, name)] == version, dependency


def rules_with_environments() -> list[tuple[str, list[str], Path]]:
    """Return name, environments (alternatives) and script of every rule with a script: its own, or that named above."""
    found = []
    for path in sorted((ROOT / "workflow" / "rules").rglob("*.smk")):
        parts = re.split(r"^ *(?=rule |environment\()", path.read_text(), flags=re.MULTILINE)[1:]
        above: list[str] = []
        for part in parts:
            script = re.search(r"scripts/(\w+\.py)\"", part.split("script:")[-1])
            if part.startswith("environment("):
                above = re.findall(r"^environment\(\"(\w+)\"\)", part)
            elif script:
                own = re.findall(r"envs/(\w+)\.yaml", part)
                found.append((part.split(":")[0].split()[1], own or above, ROOT / "workflow" / "scripts" / script[1]))
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


def needed_by(script: Path) -> set[str]:
    """Return the packages that a script and the modules of the library that it uses import."""
    library = ROOT / "workflow" / "lib"
    sources = [script]
    for name in modules_used_by(script):
        path = library.joinpath(*name.split("."))
        sources.append(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"))
    found = {name.replace("-", "_") for path in sources for name in imports(path)}
    compiled = any("from splatrig.jobs.kernels import" in path.read_text(encoding="utf-8") for path in sources)
    return found | ({"numba"} if compiled else set())


@pytest.mark.parametrize(("rule", "environments", "script"), RULES, ids=[rule for rule, *_ in RULES])
def test_an_environment_has_all_that_its_rules_can_import(rule, environments, script):
    """Where a rule has one environment for CPUs and one for GPUs, they count together."""
    offered = [packages_of(environment) for environment in environments]
    assert needed_by(script) - set.union(*offered) == set(), rule


@pytest.mark.parametrize("environment", sorted(path.stem for path in (ROOT / "envs").glob("*.yaml")))
def test_an_environment_has_nothing_that_none_of_its_rules_imports(environment):
    needed = set().union(*(needed_by(script) for _, environments, script in RULES if environment in environments))
    assert packages_of(environment) - needed - NOT_IMPORTED == set()


@pytest.mark.parametrize("name", ["Dockerfile", "apptainer.def"])
def test_a_container_has_the_python_of_the_environments_and_what_the_package_depends_on(name):
    text = (ROOT / name).read_text()
    python = re.search(r"python:(\d+\.\d+)-", text)[1]
    for path in (ROOT / "envs").glob("*.yaml"):
        assert yaml.safe_load(path.read_text())["dependencies"][0] == f"python={python}", path
    assert "pip install --no-cache-dir -r requirements.txt -c constraints.txt" in text
    command = re.search(r"python -c '([^']+)' > requirements\.txt", text)[1]
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    clouds = PROJECT["optional-dependencies"]["clouds"] if name == "Dockerfile" else []
    assert done.stdout.splitlines() == [*PROJECT["dependencies"], *clouds]


@pytest.mark.parametrize(("home", "cache"), [("", ""), ("/nowhere", "/.snakemake/cache")])
def test_a_container_of_apptainer_keeps_caches_where_it_can_write(tmp_path, home, cache):
    lines = (ROOT / "apptainer.def").read_text().split("%environment")[1]
    environment = {"PATH": os.defpath, "HOME": home or str(tmp_path)}
    command = ["sh", "-ec", f'{lines}\nprintf "%s" "$XDG_CACHE_HOME"']
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == (f"{tmp_path}{cache}" if cache else "")


def test_the_python_of_the_environments_is_one_that_the_project_supports():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    version = settings["tool"]["mypy"]["python_version"]
    assert PROJECT["requires-python"] == f">={version}"
    assert settings["tool"]["ruff"]["target-version"] == f"py{version.replace('.', '')}"
    for path in (ROOT / "envs").glob("*.yaml"):
        assert yaml.safe_load(path.read_text())["dependencies"][0] == f"python={version}", path
