"""The profiles name what there is, and send every rule to a partition that can run it."""

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
SLURM = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
ROWS = yaml.safe_load((ROOT / "workflow" / "resources.yaml").read_text())
RULES = {
    name: body
    for path in sorted((ROOT / "workflow" / "rules").rglob("*.smk"))
    for name, body in re.findall(r"^ *rule (\w+):\n(.*?)(?=^ *rule |\Z)", path.read_text(), re.MULTILINE | re.DOTALL)
}


@dataclass
class Request:
    """A job as the executor plugin sees it."""

    resources: dict
    threads: int = 4
    name: str = "job"
    attributes: dict = field(default_factory=dict)


def test_groups_are_of_rules_that_there_are_and_small():
    groups = dict(pair.split("=") for pair in SLURM["groups"])
    assert groups.keys() <= RULES.keys()
    for rule in groups:
        assert "gpu" not in ROWS.get(rule, {}), f"{rule} would hold a GPU for its whole group"


def test_every_row_of_resources_is_of_a_script_and_asks_for_memory_and_time():
    scripts = {path.stem for path in (ROOT / "workflow" / "scripts").glob("*.py")}
    assert 20 < len(ROWS) < len(scripts)
    assert ROWS.keys() <= scripts
    for script, row in ROWS.items():
        assert row.keys() <= {"mem_mb", "runtime", "gpu"}, script
        assert "mem_mb" in row or "mem_mb=memory(" in RULES[script], script
        assert row["runtime"] > 0, script
    assert "attempt" in SLURM["default-resources"]["mem_mb"] and SLURM["default-resources"]["runtime"] > 0


def partition(resources: dict) -> str | None:
    plugin = pytest.importorskip("snakemake_executor_plugin_slurm.partitions")
    known = plugin.read_partition_file(ROOT / SLURM["slurm-partition-config"])
    return plugin.get_best_partition(known, Request(resources), logging.getLogger())


def test_what_needs_a_gpu_goes_where_one_is():
    assert partition({"mem_mb": 3000, "runtime": 60, "gpu": 1}) == "gpu"


def test_the_rest_does_not_wait_for_gpus():
    assert partition({"mem_mb": 3000, "runtime": 1440}) == "cpu"
