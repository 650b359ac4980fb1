"""The provenance of a whole run, and that it disturbs none."""

import json

import pytest

from splatrig.io.files import sha256_of_file

pytestmark = pytest.mark.workflow


def test_every_result_has_its_job_inputs_and_digest(finished):
    found = json.loads((finished.results / "provenance.json").read_text())
    assert found["subject"] == "tiny"
    assert found["config"]["fitting"]["frame_steps"] == 4
    outputs = {path: row for row in found["jobs"].values() for path in row["outputs"]}
    folders = tuple(f"{path}/" for path in outputs)
    files = [path.relative_to(finished.directory).as_posix() for path in finished.results.rglob("*") if path.is_file()]
    orphans = [name for name in files if name not in outputs and not name.startswith(folders)]
    assert orphans == ["results/tiny/provenance.json"]
    for path, row in outputs.items():
        assert found["files"].keys() >= {path, *row["inputs"]}
        if path.startswith("results/"):  # what was retrieved lay there before
            assert "python 3" in row["ran_on"], row
    assert not [path for path in found["files"] if path.startswith("/")], "names that hold on any machine"
    fit = "results/tiny/gaussians/E012_Jaw_Open_Huge_Smile.h5"
    assert outputs[fit]["wildcards"] == {"expression": "E012_Jaw_Open_Huge_Smile"}
    assert found["files"][fit]["sha256"] == sha256_of_file(finished.directory / fit)


def test_it_makes_nothing_run_and_is_small(finished):
    path = finished.results / "provenance.json"
    before = path.stat().st_mtime_ns
    done = finished.snakemake()
    assert "Nothing to be done" in done.stdout + done.stderr
    assert path.stat().st_mtime_ns == before
    assert path.stat().st_size < 2000 * len(json.loads(path.read_text())["jobs"])
