"""The profiles name what there is, and send every rule to a partition that can run it."""

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from splatrig.config.models import Learned

ROOT = Path(__file__).resolve().parents[1]
SLURM, KUBERNETES, BATCH = (
    yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())
    for name in ("slurm", "kubernetes", "google-batch")
)
ROWS = yaml.safe_load((ROOT / "workflow" / "resources.yaml").read_text())
RULES = {
    name: body
    for path in sorted((ROOT / "workflow" / "rules").rglob("*.smk"))
    for name, body in re.findall(r"^ *rule (\w+):\n(.*?)(?=^ *rule |\Z)", path.read_text(), re.MULTILINE | re.DOTALL)
}
INHERITING = [
    pair
    for path in (ROOT / "workflow" / "rules").rglob("*.smk")
    for pair in re.findall(r"^ *use rule (\w+) as (\w+)", path.read_text(), re.MULTILINE)
]


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


def script_of(rule: str) -> str:
    found = re.search(r'/scripts/(\w+)\.py"', RULES[rule])
    return found[1] if found else ""


def rules_that_can_use_a_gpu():
    named = {name for name, body in RULES.items() if "gpu=gpu(" in body or "gpu" in ROWS.get(script_of(name), {})}
    return named | {heir for rule, heir in INHERITING if rule in named}


def test_google_batch_gives_every_rule_that_can_use_a_gpu_one_and_no_other():
    asking = {rule for rule, resources in BATCH["set-resources"].items() if resources["nvidia_gpu"]}
    assert asking == rules_that_can_use_a_gpu()


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_machines_of_google_batch_have_the_memory_that_rules_ask_for(attempt):
    with_gpu = rules_that_can_use_a_gpu()
    given = {False: BATCH["default-resources"], True: BATCH["set-resources"]["fit_neutral"]}
    for name, body in RULES.items():
        own = map(int, re.findall(r"mem_mb=memory\((\d+)\)", body))
        for asked in (*own, ROWS.get(script_of(name), {}).get("mem_mb", 0)):
            assert attempt * asked <= value(given[name in with_gpu], "memory", attempt), name
    assert 8000 + 1500 * Learned().memory_gib <= value(given[True], "memory", 1), "learned rigs of full size"


def value(resources, name, attempt):
    """A resource of Google Batch as Snakemake evaluates it."""
    return eval(str(resources[f"googlebatch_{name}"]), {"attempt": attempt, "min": min})


@pytest.mark.parametrize("attempt", [1, 2, 3, 4])
def test_google_batch_fills_machines_that_there_are(attempt):
    per_core = {"e2-standard": 4, "g2-standard": 4}
    for resources in (BATCH["default-resources"], BATCH["set-resources"]["fit_neutral"]):
        kind, _, cores = value(resources, "machine_type", attempt).rpartition("-")
        assert int(cores) in (4, 8, 12, 16, 32)
        assert value(resources, "cpu_milli", attempt) == 1000 * int(cores)
        assert 0.8 < value(resources, "memory", attempt) / (1024 * per_core[kind] * int(cores)) < 1.0


def test_clouds_share_nothing_but_a_bucket_and_try_again():
    for profile in (KUBERNETES, BATCH):
        assert profile["shared-fs-usage"] == "none"
        assert profile["default-storage-prefix"].startswith(f"{profile['default-storage-provider']}://")
        assert profile["retries"] > 0
    assert "preemptible-rules" in BATCH and BATCH["preemptible-retries"] > 0
    assert not KUBERNETES["default-resources"]["scale"], "GPUs need limits, and limits are set without scaling alone"
