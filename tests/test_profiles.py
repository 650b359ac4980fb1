"""The profiles name what there is, and send every rule to a partition that can run it."""

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
SLURM = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
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
        assert "gpu=" not in RULES[rule], f"{rule} would hold a GPU for its whole group"


def test_every_rule_with_a_script_asks_for_memory_that_grows_and_for_time_or_takes_the_profiles():
    asking = {rule: body for rule, body in RULES.items() if "script:" in body and "resources:" in body}
    assert 20 < len(asking) < len(RULES)
    for rule, body in asking.items():
        assert re.search(r"mem_mb=memory\(", body), rule
        assert re.search(r"runtime=\d", body), rule
    assert "attempt" in SLURM["default-resources"]["mem_mb"] and SLURM["default-resources"]["runtime"] > 0


def partition(resources: dict) -> str | None:
    plugin = pytest.importorskip("snakemake_executor_plugin_slurm.partitions")
    known = plugin.read_partition_file(ROOT / SLURM["slurm-partition-config"])
    return plugin.get_best_partition(known, Request(resources), logging.getLogger())


def test_what_needs_a_gpu_goes_where_one_is():
    assert partition({"mem_mb": 3000, "runtime": 60, "gpu": 1}) == "gpu"


def test_the_rest_does_not_wait_for_gpus():
    assert partition({"mem_mb": 3000, "runtime": 1440}) == "cpu"
