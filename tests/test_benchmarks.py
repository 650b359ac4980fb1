"""Every benchmark runs in its smallest size, and its figures are finite and plausible. Times are never judged."""

import ast
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks"
HARNESS = ROOT / "tests" / "support" / "harness.py"
MISSING = 77

RANGES = {
    "s": (0, 600),
    "ms": (0, 600e3),
    "min": (0, 600),
    "h": (0, 100),
    "frames/s": (1e-3, 1e7),
    "steps/s": (1e-3, 1e7),
    "1/s": (1e-3, 1e7),
    "MB": (1e-4, 100),
    "MB/s": (1e-3, 1e6),
    "GB": (1e-4, 1e5),
    "GiB": (1e-4, 64),
    "dB": (5, 110),
    "dB more": (-40, 40),
    "fraction": (0, 2),
    "%": (0, 100),
    "correlation": (0, 1 + 1e-6),
    "SSIM": (0, 1),
    "mm": (0, 1e3),
    "rad": (0, math.pi / 2),
    "°": (0, 180),
    "of 255": (0, 255),
    "times": (1e-6, 1e6),
    "": (0, 1e9),
}
"""What is plausible by unit, both ends included."""

DIFFERENCES = (
    "a warm frame, everything included|start-up and end of a job|Snakemake's own time|: speed$|one photograph more|"
    "330 frames, 38 cameras"
)
"""Times less other times, and rates from them, which are noise in the smallest size: any sign."""

PHOTOGRAPHIC_DB = (10, 45)
"""PSNR of a fit of a few steps against noisy photographs."""

EXPECTED: dict[str, dict[str, tuple[float, float]]] = {
    "capture/archives.py": {
        "one photograph": (1e-4, 1),
        "plan of 7 archives": (0, 10),
        "archives over files": (0.1, 10),
    },
    "doctor/capture_report.py": {
        "a report": (1e-3, 600),
        "reducing a photograph": (1e-4, 6e5),
        "reduced photographs of a frame": (1e-4, 10),
        "full size: 330 frames": (-1e4, 1e5),
        "a frozen camera: named": (0, 1),
    },
    "components/components.py": {
        "pca: columns": (1000, 20_000),
        "largest relative difference of a variance": (0, 1e-4),
        "largest relative difference of the objective": (0, 1e-6),
        "largest angle of a separated component": (0, 1e-2),
        "cpu xyz: zero rows": (0.1, 1),
        "all from base: objective": (1, 1e5),
        "rig: rows, 50 dense": (1e-3, 1e7),
        "sparse: peak memory": (0.01, 8),
    },
    "capture/download.py": {
        "plan 22,356 archives: wall": (0, 1e3),
        "fetch .*: rate": (1e-3, 1e6),
        "link 10 images": (0, 1e4),
    },
    "workflow/faults.py": {
        "complete: comparisons": (1, 100),
        "complete: files": (2, 200),
        "differing": (0, 0),
        "kills": (1, 99),
    },
    "studies/flicker.py": {
        "still pixels": (0.1, 0.9),
        "still skin from frame to frame": (0, 1),
        "whole image": (1e-3, 50),
    },
    "studies/free_gaussians.py": {
        "finding: 930, False, 0: found": (400, 930),
        "pooled: local, (structured|1 N free), (train|held_out), (0|1): psnr whole": PHOTOGRAPHIC_DB,
        "pooled: local, one subdivision more, (train|held_out), 0: psnr skin": PHOTOGRAPHIC_DB,
        "cost: local, one subdivision more, 1: gaussians": (3714, 3714),
        "cost: local, 1 N free, 0: steps per second": (1e-3, 1e6),
        "seeds: local, 1 N free, held_out: spread whole": (0, 10),
        "single fits: 930, 1, 0: psnr (without|own|carried|matrices)": PHOTOGRAPHIC_DB,
    },
    "blendshapes/blendshapes.py": {
        "second: cosine, mean of 51": (0.97, 1),
        "second: cosine, least": (0.9, 1),
        "tracking noise 1×: found by name": (0.9, 1),
    },
    "capture/synthesize.py": {
        "^photographs$": (30, 30),
        "photographs written": (1e-3, 1e6),
        "seconds of (photographs|restructuring)": (1e-3, 600),
    },
    "tracking/photographs.py": {
        "median turn": (0, 1.0),
        "median shift": (0, 2.0),
        "error of moved vertices": (0, 3.0),
        "their motion": (3.0, 30.0),
    },
    "tracking/photographs_faults.py": {
        "exposure ±5 %: median turn": (0, 1.0),
        "exposure ±5 %: error of moved vertices": (0, 5.0),
        "exposure ±5 %: mean correlation": (0.3, 1.0),
    },
    "studies/head_poses.py": {
        "global, (true|off), (tracked|learned), (train|held_out): psnr": PHOTOGRAPHIC_DB,
        "global, true, tracked, train: degrees": (0, 1e-3),
        "global, off, tracked, train: mm": (0.2, 0.6),
    },
    "learned/learned.py": {
        "bars: (fits|pca|learned_global|learned_local), (train|held_out), mask": PHOTOGRAPHIC_DB,
        "step: global, 2: ms per step": (0, 6e5),
        "step: local, 2: ms per step": (0, 6e5),
        "stream: .*decoded per second": (1e-3, 1e6),
        "ablation: default, global: psnr held out": PHOTOGRAPHIC_DB,
        "cameras: photographs, 5: psnr": PHOTOGRAPHIC_DB,
        "scaling: Gaussians, 930: ms per step": (0, 6e5),
    },
    "landmarks/landmarks.py": {
        "first: error of reprojection": (0, 0.4),
        "first: distance to the tracked mesh": (0, 3),
        "the demo's photographs: (seconds|processor)": (0, 600),
        "first: gaze, median error": (0, 4),
        "first: confidence in open eyes, least": (0.5, 1),
        "faults named": (1, 1),
        "false alarms": (0, 0),
    },
    "rasterize/rasterizer.py": {
        "tile pairs per Gaussian": (0.2, 20),
        "block visits per Gaussian": (0.5, 400),
        "processor$": (1e-4, 6e5),
    },
    "studies/plate_mattes.py": {
        "photographed plates: intersection over union": (0.5, 1),
        "computed plates: mean error of alpha": (1e-3, 0.3),
    },
    "studies/recovery.py": {"SLDC, Gaussian: least": (0.9, 1 + 1e-6), "PCA: mean": (0.3, 1 + 1e-6)},
    "capture/restructure.py": {"^photographs$": (5, 5), "one photograph: encode": (1e-4, 6e5)},
    "workflow/scale.py": {
        "photographs in a folder": (0.1, 100),
        "jobs": (50, 500),
        "dataset": (1, 100),
        "GPU": (1e-3, 1),
    },
    "fitting/ssim.py": {"kernels: mean SSIM": (0.9, 1), "torch: mean SSIM": (0.9, 1)},
    "fitting/training.py": {
        "job (neutral|E001_Moved|P000_Performed): held-out PSNR": PHOTOGRAPHIC_DB,
        "66 × 5 frames extrapolated, 1 at once": (0, 600),
        "warm .*: speed": (-1e7, 1e7),
        "original recipe in splatrig .*: speed": (-1e7, 1e7),
        "original recipe, opacity fixed to 1, black, 3 steps": PHOTOGRAPHIC_DB,
        "warm frame, 3 steps": PHOTOGRAPHIC_DB,
        "warm less original recipe": (-40, 40),
    },
    "export/video.py": {
        "picture covered by the head": (0.3, 0.9),
        "largest difference": (0, 1),
        "batches of 4 frames": (1e-3, 1e7),
        "with encoding": (1e-3, 1e7),
    },
    "control/web_head.py": {
        "opened and drawn": (0, 600),
        "playing at 64×64": (1e-3, 1e4),
        "drags of 2 mm with all: points$": (10, 40),
        "worst PSNR": (40, 110),
    },
    "control/web_head_gpu.py": {
        "swiftshader: .*opened and drawn": (0, 600),
        "all 52 sliders, each frame read back": (1e-3, 1e4),
    },
}
"""Figures that each script must have, by a part of their name, and what is plausible for each that has it."""

NEEDS = {
    "blendshapes/blendshapes.py": "the demo's head",
    "doctor/capture_report.py": "the demo's head",
    "capture/synthesize.py": "the demo's head",
    "studies/plate_mattes.py": "the demo's head",
    "tracking/photographs_faults.py": "the networks that find faces|the package ai_edge_litert|the demo's head",
    "landmarks/landmarks.py": "the networks that find faces|the package ai_edge_litert|the demo's head",
    "control/web_head.py": "Chromium|the package playwright|the renderer of the web head",
    "control/web_head_gpu.py": "Chromium|the renderer of the web head",
}
"""What a machine may lack for the smallest size of a script."""

SLOW_FIRST = (
    "learned/learned.py",
    "fitting/training.py",
    "control/web_head.py",
    "control/web_head_gpu.py",
    "workflow/faults.py",
)


SLOW = (pytest.mark.slow,)
LONG = {
    *(name for name in EXPECTED if name.startswith("studies/")),
    "capture/synthesize.py",
    "doctor/capture_report.py",
    "fitting/training.py",
    "landmarks/landmarks.py",
    "learned/learned.py",
    "tracking/photographs_faults.py",
    "workflow/scale.py",
}
"""Scripts whose smallest size takes half a minute, and studies, which have ended."""


@dataclass(frozen=True)
class Figure:
    """One row of what a benchmark writes."""

    what: str
    value: float
    unit: str


@dataclass(frozen=True)
class Run:
    """How a benchmark ended."""

    code: int
    output: str
    errors: str
    figures: list[Figure]


def run(script: str, place: Path, *words: str, **environment: str) -> Run:
    """Run a benchmark from an empty folder."""
    place.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), *words, "--json", "figures.json"],
        cwd=place,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    written = place / "figures.json"
    rows = json.loads(written.read_text(encoding="utf-8"))["figures"] if written.is_file() else []
    return Run(done.returncode, done.stdout, done.stderr, [Figure(**row) for row in rows])


Smallest = Callable[[str], Run]


@pytest.fixture(scope="module")
def smallest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Smallest]:
    """Return how a script ended in its smallest size; two run at a time, of those that are to be tested."""
    place = tmp_path_factory.mktemp("benchmarks")

    @cache
    def one(script: str) -> Run:
        return run(script, place / Path(script).stem, "--smallest")

    if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has its own tests to run
        yield one
        return
    here = [item for item in request.session.items if item.path == Path(__file__)]
    wanted = {item.callspec.params["script"] for item in here if "script" in getattr(item, "fixturenames", ())}
    with ThreadPoolExecutor(2) as pool:
        ordered = sorted(wanted, key=lambda script: SLOW_FIRST.index(script) if script in SLOW_FIRST else 99)
        runs = {script: pool.submit(one, script) for script in ordered}
        yield lambda script: runs[script].result()
        pool.shutdown(cancel_futures=True)


def scripts() -> set[str]:
    """The scripts of all rooms, as room/name."""
    return {
        f"{path.parent.name}/{path.name}"
        for path in FOLDER.glob("*/*.py")
        if "__main__" in path.read_text(encoding="utf-8")
    }


def imported_by(script: str) -> set[str]:
    """The modules of a script's room that it imports, themselves or through others."""
    room = Path(script).parent.name
    found, open_ = set(), [script]
    while open_:
        for node in ast.walk(ast.parse((FOLDER / open_.pop()).read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            new = {f"{room}/{name}.py" for name in names if (FOLDER / room / f"{name}.py").is_file()} - found
            found |= new
            open_ += new
    return found


def test_every_file_is_a_benchmark_with_expected_figures_or_part_of_one() -> None:
    assert scripts() == set(EXPECTED)
    parts = set().union(*map(imported_by, EXPECTED))
    assert {str(path.relative_to(FOLDER)) for path in FOLDER.glob("*/*.py")} == set(EXPECTED) | parts


@pytest.mark.parametrize("script", [pytest.param(name, marks=SLOW * (name in LONG)) for name in sorted(EXPECTED)])
def test_the_smallest_size_has_plausible_figures(script: str, smallest: Smallest) -> None:
    done = smallest(script)
    if done.code == MISSING:
        sentence = rf"benchmarks/{script} needs ({NEEDS.get(script, 'nothing')}).*\n"
        assert re.fullmatch(sentence, done.errors), done.errors
        return
    assert done.code == 0, done.output[-3000:] + done.errors[-5000:]
    names = [figure.what for figure in done.figures]
    assert sorted(set(names)) == sorted(names)
    for figure in done.figures:
        low, high = RANGES[figure.unit]
        low = -high if re.search(DIFFERENCES, figure.what) else low
        assert low <= figure.value <= high, figure
    for pattern, (low, high) in EXPECTED[script].items():
        found = [figure for figure in done.figures if re.search(pattern, figure.what)]
        assert found, f"no figure {pattern}"
        for figure in found:
            assert low <= figure.value <= high, figure


@pytest.mark.parametrize("script", ["fitting/ssim.py"])
def test_two_ways_to_the_mean_ssim_agree(script: str, smallest: Smallest) -> None:
    found = [figure.value for figure in smallest(script).figures if figure.unit == "SSIM"]
    assert found[0] == pytest.approx(found[1], abs=1e-5)


def test_what_needs_a_gpu_says_so_in_one_sentence(tmp_path: Path) -> None:
    done = run("fitting/ssim.py", tmp_path, CUDA_VISIBLE_DEVICES="")
    assert (done.code, done.errors) == (MISSING, "benchmarks/fitting/ssim.py needs a CUDA GPU\n")


def test_what_needs_a_browser_says_so_in_one_sentence(tmp_path: Path) -> None:
    done = run("control/web_head_gpu.py", tmp_path, "--smallest", PATH=str(tmp_path))
    assert done.code == MISSING
    assert done.errors == "benchmarks/control/web_head_gpu.py needs Chromium: apt-get install -y chromium\n"


def commands() -> list[tuple[str, str]]:
    """The commands on the pages next to the benchmarks: page, command."""
    found = []
    for page in [FOLDER / "README.md", *sorted(FOLDER.glob("*/*.md"))]:
        text = re.sub(r"\s*\n\s*", " ", page.read_text(encoding="utf-8"))  # commands go over lines
        found += [(page.name, command) for command in re.findall(r"(benchmarks/\w+/\w+\.py[^`;|]*)", text)]
    return found


def test_pages_name_scripts_and_options_that_there_are() -> None:
    assert len(commands()) >= 15
    for page, command in commands():
        script = ROOT / command.split()[0].replace("benchmarks/ROOM/NAME.py", str(HARNESS.relative_to(ROOT)))
        source = "".join(path.read_text(encoding="utf-8") for path in (script, HARNESS))
        for option in set(re.findall(r"(?<!\S)--[a-z][a-z-]+", command)) - {"--help"}:
            assert f'"{option}"' in source, f"{page}: {option} of {command}"


def test_the_index_has_every_benchmark() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+/\w+\.py)` \|", index, re.M)) == set(EXPECTED)
