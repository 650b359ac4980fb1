"""Options, figures and the machine's name for every benchmark, and one sentence where something is missing."""

import argparse
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from splatrig.landmarks.network import FaceFinder

ROOT = Path(__file__).resolve().parents[2]

MISSING = 77
"""Exit status where the machine lacks what a benchmark needs; build tools read it as "skipped"."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def checkout() -> Path:
    """Return the folder of the splatrig that is imported: the installed one, or the one that PYTHONPATH names."""
    found = find_spec("splatrig")
    assert found is not None and found.origin is not None  # it is installed
    return next(folder for folder in Path(found.origin).parents if (folder / "Snakefile").is_file())


def parser_of(text: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help is the docstring of a script."""
    return argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)


def parsed(parser: argparse.ArgumentParser, **smallest: object) -> argparse.Namespace:
    """Read the command line; with `--smallest` options that it does not give have the values of `smallest`."""
    parser.add_argument(
        "--smallest",
        action="store_true",
        help="take seconds on two cores; shows that all runs, its figures mean nothing",
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures to this file as well")
    if "--smallest" in sys.argv[1:]:
        parser.set_defaults(**smallest)
    return parser.parse_args()


def missing(what: str) -> NoReturn:
    """End the benchmark with status `MISSING` and one sentence on what it needs."""
    script = Path(sys.argv[0]).resolve()
    name = script.relative_to(ROOT) if script.is_relative_to(ROOT) else script.name
    print(f"{name} needs {what}", file=sys.stderr)
    sys.exit(MISSING)


def gpu_work(call: Callable[[], object]) -> dict[str, float]:
    """Return what torch's profiler counts during a call: milliseconds of work of the GPU, its kernels and copies."""
    import torch
    from torch.autograd import DeviceType

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        call()
        torch.cuda.synchronize()
    events = [event for event in profile.key_averages() if event.device_type == DeviceType.CUDA]
    copies = sum(event.count for event in events if event.key.startswith("Mem"))
    return {
        "gpu_ms": sum(event.self_device_time_total for event in events) / 1e3,
        "kernels": sum(event.count for event in events) - copies,
        "copies": copies,
    }


def need_cuda() -> None:
    """End the benchmark where torch finds no CUDA GPU."""
    import torch

    if not torch.cuda.is_available():
        missing("a CUDA GPU")


def need_package(name: str, how: str = "make .venv/.dev") -> None:
    """End the benchmark where a package is not installed; `how` is the command that installs it."""
    if find_spec(name) is None:
        missing(f"the package {name}: {how}")


def need_browser() -> str:
    """Return the path of a Chromium; end the benchmark where there is none."""
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    return found or missing("Chromium: apt-get install -y chromium")


def demo_head() -> Path:
    """Return the path of the demo's head, which is retrieved if need be; end the benchmark where it cannot be had."""
    from splatrig.capture.demo.retrieve import retrieve_head
    from splatrig.io.errors import InputError

    path = ROOT / "resources" / "retrieved" / "makehuman_head.npz"
    if not path.is_file():
        try:
            retrieve_head(path, path.with_name("makehuman_LICENSE.md"))
        except InputError as error:
            missing(f"the demo's head: {error}")
    return path


def face_finder() -> "FaceFinder":
    """Return the networks, retrieved if need be; end the benchmark where they cannot be had."""
    need_package("ai_edge_litert", "pip install -r requirements.txt")
    from splatrig.landmarks.network import FaceFinder
    from support import face_networks

    if reason := face_networks.networks_missing():
        missing(f"the networks that find faces: {reason}")
    return FaceFinder(face_networks.DETECTOR, face_networks.MESH)


def web_renderer() -> Path:
    """Return the path of what draws the web head, retrieved if need be; end the benchmark where it cannot be had."""
    from splatrig.control.web.retrieve import RENDERER, retrieve_packages
    from splatrig.io.errors import InputError

    path = ROOT / "resources" / "retrieved" / "web_renderer.zip"
    if not path.is_file():
        try:
            retrieve_packages(ROOT / "workflow" / "web" / "package-lock.json", RENDERER, path)
        except InputError as error:
            missing(f"the renderer of the web head: {error}")
    return path


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine(*packages: str) -> str:
    """Return what the figures depend on: GPU, processor, cores and their load, Python, `packages` where installed."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    processor = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.machine())
    parts = [f"{processor}, {cores()} cores, load {os.getloadavg()[0]:.1f}", f"Python {platform.python_version()}"]
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
        parts.insert(0, sys.modules["torch"].cuda.get_device_name())
    for name in packages:
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return "; ".join(parts)


@dataclass
class Figures:
    """What a benchmark has measured so far: printed as a Markdown table while it grows, and written as JSON."""

    options: argparse.Namespace
    """The command line, read by `parsed`."""
    machine: str
    rows: list[dict[str, object]] = field(default_factory=list)
    """`what` was measured, its `value` and `unit`."""
    begin: float = field(default_factory=time.perf_counter)
    _in_table: bool = False

    def __post_init__(self) -> None:
        """Print the machine."""
        self.say(self.machine)

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)
        self._in_table = False

    def add(self, what: str, value: float, unit: str, remark: str = "", *, shown: bool = True) -> None:
        """Keep a figure; print it as a row of the table, unless it is `shown` by the benchmark itself."""
        self.rows.append({"what": what, "value": float(value), "unit": unit})
        if not shown:
            return
        if not self._in_table:
            print("\n| figure | value | unit | remark |\n|---|---|---|---|")
            self._in_table = True
        print(f"| {what} | {value:.4g} | {unit} | {remark} |", flush=True)

    def value(self, what: str) -> float | None:
        """Return a figure, None where it was not measured."""
        return next((float(row["value"]) for row in self.rows if row["what"] == what), None)  # type: ignore[arg-type]

    def save(self) -> None:
        """Write the file that `--json` names, if it names one."""
        if self.options.json:
            self.options.json.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"machine": self.machine, "figures": self.rows}, indent=1, ensure_ascii=False)
            self.options.json.write_text(text + "\n", encoding="utf-8")
