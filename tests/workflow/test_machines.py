"""The workflow in folders and on machines that are not those it was written on."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.workflow

FRAME_LIST = "resources/captures/tiny/frame_list.txt"
WITHOUT_EMBREEX = """
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "embreex" else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
"""


def run(project, python, *words, **environment):
    """Call snakemake by a Python of its own; a process that has imported it already is of another folder."""
    command = [python, "-m", "snakemake", "--configfile", "tiny.yaml", "--cores", "1", *words]
    environment = os.environ | {"PYTHONPATH": "workflow/lib"} | environment
    return subprocess.run(command, cwd=project.directory, env=environment, capture_output=True, text=True)


@pytest.fixture
def in_a_folder_of_any_name(copy_project, tmp_path):
    """A copy of the project with an environment of Python inside, as `make demo` leaves it."""
    project = copy_project(tmp_path / 'my head\'s "Köpfe"')
    venv.create(project.directory / ".venv", symlinks=True)
    [packages] = (project.directory / ".venv").glob("lib/python*/site-packages")
    (packages / "these.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return project


def test_jobs_run_in_a_folder_with_blanks_and_quotes(in_a_folder_of_any_name):
    project = in_a_folder_of_any_name
    done = run(project, project.directory / ".venv" / "bin" / "python", FRAME_LIST)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project.directory / FRAME_LIST).is_file()


def test_without_a_ray_tracer_the_demo_says_what_it_lacks(copy_project, tmp_path):
    project = copy_project(tmp_path / "project")
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(WITHOUT_EMBREEX)
    done = run(project, sys.executable, "-n", PYTHONPATH=os.pathsep.join(["workflow/lib", str(hidden)]))
    assert done.returncode == 1
    assert "error: preset: demo: expected the ray tracer embreex" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_makefile_names_no_program_that_a_folder_can_break():
    """The first line of a program holds the path of its Python, which quotes in it end."""
    text = (Path(__file__).resolve().parents[2] / "Makefile").read_text(encoding="utf-8")
    recipes = [line[1:] for line in text.split("lint:")[0].splitlines() if line.startswith("\t")]
    assert [line for line in recipes if line.split()[0] in ("snakemake", "pip", "pytest", "python")] == []
