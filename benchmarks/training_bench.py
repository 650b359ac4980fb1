"""What the parts of benchmarks/training.py share: the report, the capture on disk, how it is fitted."""

import json
import os
import platform
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "lib"))

from full_size_capture import NEUTRAL

from splatrig.dataset.decoding import cores
from splatrig.dataset.frames import read_chosen_frames
from splatrig.fitting.fitting import Studio, open_studio

SUBJECT = "bench"
ROOT = Path(__file__).parents[1]
PERFORMANCE = (66, 5)
"""Expressions and frames of each of a whole performance, to which times are extrapolated."""


@dataclass(frozen=True)
class Lengths:
    """How many steps each part takes."""

    timed: tuple[int, int]
    """Steps a second are taken from the difference of two fits of these lengths."""
    variants: int
    neutral_curve: tuple[int, ...]
    frame_curve: tuple[int, ...]


@dataclass
class Report:
    """What was measured so far."""

    out: Path
    machine: dict[str, str]
    begin: float = field(default_factory=time.perf_counter)
    rows: list[tuple[str, str, float | None, str]] = field(default_factory=list)
    """Part, what, value, unit or remark."""

    def say(self, text: str) -> None:
        """Print a line with the time since the start."""
        print(f"[{time.perf_counter() - self.begin:6.1f} s] {text}", flush=True)

    def add(self, part: str, what: str, value: float | None, unit: str) -> None:
        """Keep a number and print it."""
        self.rows.append((part, what, value, unit))
        self.say(f"{part}: {what}: {'' if value is None else f'{value:.4g} '}{unit}")

    def value(self, what: str) -> float | None:
        """Return the number of a row, None when it was not measured."""
        return next((value for _, name, value, _ in self.rows if name == what), None)

    def save(self) -> None:
        """Write JSON and a table."""
        self.out.mkdir(parents=True, exist_ok=True)
        rows = [dict(zip(("part", "what", "value", "unit"), row, strict=True)) for row in self.rows]
        (self.out / "training.json").write_text(json.dumps({"machine": self.machine, "rows": rows}, indent=1) + "\n")
        lines = ["; ".join(f"{key} {value}" for key, value in self.machine.items()), ""]
        lines += ["| part | what | value | unit |", "|---|---|---|---|"]
        for part, what, value, unit in self.rows:
            lines.append(f"| {part} | {what} | {'' if value is None else f'{value:.4g}'} | {unit} |")
        (self.out / "training.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def machine() -> dict[str, str]:
    """Return what the numbers depend on."""
    facts = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "CPU",
        "cores": str(len(os.sched_getaffinity(0))),
        "Python": platform.python_version(),
        "torch": str(torch.__version__),
        "CUDA": str(torch.version.cuda),
    }
    for package in ("gsplat", "triton", "numpy", "numba", "pillow"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            try:
                facts[package] = str(__import__(package).__version__)
            except (ImportError, AttributeError):
                facts[package] = "absent"
    return facts


def schema_defaults() -> dict[str, Any]:
    """Return the training section that the schema's defaults make: that of a capture of full size."""
    schema = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))

    def defaults(node: dict[str, Any]) -> Any:
        if node.get("type") == "object" and "properties" in node:
            return {name: defaults(child) for name, child in node["properties"].items()}
        return node["default"]

    return defaults(schema["properties"]["training"])


@dataclass(frozen=True)
class Bench:
    """The capture and how it is fitted."""

    work: Path
    """Where Snakemake runs: it holds results/ and logs/."""
    training: dict[str, Any]
    lengths: Lengths
    report: Report
    device: str

    @property
    def folder(self) -> Path:
        """The results of the subject."""
        return self.work / "results" / SUBJECT

    @property
    def performed(self) -> list[str]:
        """The expressions of five frames."""
        return sorted(path.stem for path in (self.folder / "frames").glob("P*.csv"))

    @property
    def synthesised(self) -> list[str]:
        """The expressions of two frames."""
        return sorted(path.stem for path in (self.folder / "frames").glob("E*.csv") if path.stem != NEUTRAL)

    def frames(self, expression: str) -> list[str]:
        """Return the frames of an expression."""
        return read_chosen_frames(self.folder / "frames" / f"{expression}.csv")["frame"].tolist()

    def studio(self, **training: Any) -> Studio:
        """Return the studio of this process."""
        inputs = {
            "template": str(self.folder / "template" / "template.h5"),
            "cameras": str(self.folder / "dataset" / "cameras.json"),
            "photographs": str(self.folder / "dataset" / NEUTRAL),
            "plates": [],
        }
        params = {"training": {**self.training, **training}, "background": "mask", "seed": 0, "lib": ""}
        return open_studio(SimpleNamespace(**inputs), SimpleNamespace(**params, device=self.device), cores())
