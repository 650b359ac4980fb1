"""What the README and the guides tell people to type is run here, or as good as run: dry, where it would take hours."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.warm_snakemake import call_snakemake

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("snakemake", "make", "pytest", "python")


def _commands() -> list[str]:
    """Every line of an indented block, and every inline piece of code, that begins with one of the programs."""
    found = set()
    for page in PAGES:
        text = re.sub(r" *\\\n +", " ", page.read_text(encoding="utf-8"))  # a command that goes over two lines
        lines = re.findall(r"^ {4}(\S.*)$", text, re.M) + re.findall(r"`([^`\n]+)`", text)
        found |= {
            re.split(r"  #| \| ", line)[0].strip() for line in lines if line.split(" ")[0] in PROGRAMS and " " in line
        }
    return sorted(found)


def _starting(program: str) -> list[str]:
    return [command for command in _commands() if command.startswith(program)]


def test_the_pages_name_commands_of_every_program():
    assert all(_starting(program) for program in PROGRAMS)
    assert len(_starting("snakemake")) >= 10


def _filled(command: str) -> list[str]:
    """The words after `snakemake`; placeholders become a rule, a subject, a file, a configuration."""
    fillings = {
        "RULE": "compute_sldc",
        "{subject}": "demo",
        "…": "frames.csv",
        "my.yaml": "tiny.yaml",
        "/opt/splatrig": str(ROOT),
    }
    for placeholder, value in fillings.items():
        command = command.replace(placeholder, value)
    return [word.replace("docs/examples", str(ROOT / "docs" / "examples")) for word in shlex.split(command)[1:]]


def _snakemake(project, *words: str) -> subprocess.CompletedProcess[str]:
    return call_snakemake(words, project.directory, project.environment)


FILES = [command for command in _starting("snakemake") if re.fullmatch(r"snakemake( --cores \d)? results/\S+", command)]
CORES = r" (--cores \d+|-n)(?= |$)"
OTHERS = {re.sub(CORES, "", command): command for command in _starting("snakemake") if command not in FILES}
"""By what is left without the number of cores: calls that differ in it alone make the same dry run."""


def test_every_file_that_a_page_asks_for_can_be_made(finished):
    assert len(FILES) >= 5
    done = _snakemake(finished, "--dry-run", "--cores", "2", *sorted({_filled(command)[-1] for command in FILES}))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


CLOUDS = {"s3://": "snakemake_storage_plugin_s3", "profiles/kubernetes": "snakemake_executor_plugin_kubernetes"}
"""By what a command has in it, the plugin that it needs, which is no part of the development environment."""


@pytest.mark.parametrize("command", OTHERS.values())
def test_snakemake_understands(command, finished):
    for part, plugin in CLOUDS.items():
        if part in command:
            pytest.importorskip(plugin)
    words = _filled(command)
    if "folds.yaml" in words:  # which the line before the command writes
        (finished.directory / "folds.yaml").write_text("evaluation: {learned_folds: 3}\n")
    if {"--unlock", "--report"} & set(words):  # these are run; all others would compute
        words += ["--cores", "2", "--configfile", str(finished.config)]
    else:
        words += ["--dry-run"] + (["--cores", "2"] if not {"--cores", "--workflow-profile"} & set(words) else [])
    if "photographs" in command:  # of the demo's capture, which is smaller here
        words += ["--config", "capture={root: resources/captures/tiny, expressions: all}"]
    demo = finished.directory / "results" / "demo"
    after_the_demo = "second_person" in command
    if after_the_demo:
        demo.symlink_to("tiny")
    try:
        done = _snakemake(finished, *words)
    finally:
        if after_the_demo:
            demo.unlink()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    if "--report" in words:
        report = finished.directory / words[words.index("--report") + 1]
        assert report.stat().st_size > 100_000
        report.unlink()


@pytest.mark.parametrize("command", _starting("make"))
def test_make_has_the_target(command):
    words = command.split()
    assert subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True).returncode == 0


@pytest.mark.parametrize("command", _starting("pytest"))
def test_pytest_has_the_folder_or_the_marker(command, request):
    words = [word for word in shlex.split(command)[1:] if word not in ("-m", "-q")]
    markers = {line.split(":")[0] for line in request.config.getini("markers")}
    assert words
    assert all((ROOT / word).exists() or word.removeprefix("not ") in markers for word in words)


def _programs() -> dict[str, set[str]]:
    """The options that the pages give to each program of Python: a script, or `-m` and a module."""
    found = {}
    for command in _starting("python benchmarks/") + _starting("python -m"):
        target, *options = re.split(r" (?=--)", command.removeprefix("python "))
        program = " ".join(target.split()[: 2 if target.startswith("-m") else 1])
        found.setdefault(program, set()).update(re.split("[ =]", option)[0] for option in options)
    return found


@pytest.mark.parametrize(("program", "options"), _programs().items())
def test_a_program_knows_the_options(program, options):
    words = [sys.executable, *program.split(), "--help"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert options <= set(re.findall(r"--[a-z-]+", done.stdout))


def test_the_results_that_the_readme_lists_are_there(finished):
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("## What it makes")[1].split("##")[0]
    paths = re.findall(r"`([a-z./]+)`", "\n".join(line.split("|")[1] for line in table.splitlines() if "| `" in line))
    assert len(paths) >= 10
    assert [path for path in paths if not (finished.results / path).exists()] == []


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python" in page.read_text()], ids=lambda page: page.stem
)
def test_python_on_a_page_runs(page, finished):
    """With the results of the tiny capture in place of the demo's."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S))
    code = code.replace("results/demo", "results/tiny").replace("learned_global", "learned_local")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=finished.directory,
        capture_output=True,
        text=True,
        env=finished.environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_picture_of_the_rules_shows_the_rules(finished):
    drawn = re.findall(r"<text[^>]*>([a-z_]+)</text>", (ROOT / "docs" / "images" / "rules.svg").read_text())
    done = _snakemake(finished, "--rulegraph")
    assert sorted(drawn) == sorted(re.findall(r'label = "([a-z_]+)"', done.stdout))
