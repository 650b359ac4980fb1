"""Several subjects in one graph: the tiny head, which is finished, and others."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).resolve().parents[2]

OTHER = "another"
"""A subject whose results are a copy of the tiny head's; by its name it is in the first of two batches."""


@pytest.fixture(scope="module")
def study(finished, tmp_path_factory):
    """The configuration of the tiny head and another person."""
    raw = yaml.safe_load(finished.config.read_text())
    del raw["subject"]
    raw["subjects"] = {"tiny": None, OTHER: {"demo": {"person": "second"}}}
    path = tmp_path_factory.mktemp("study") / "study.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


@pytest.fixture(scope="module")
def compared(finished, study):
    """The folder of the cohort, after the last of two batches, of which the first is a copy."""
    results = finished.directory / "results"
    shutil.copytree(finished.results, results / OTHER)
    (results / "cohort" / "heads").mkdir(parents=True)
    shutil.copy(next(finished.results.glob("renders/*/contact_sheet.jpg")), results / f"cohort/heads/{OTHER}.jpg")
    done = finished.snakemake("--batch", "show_heads=2/2", "all", "shared_components", config=study)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    yield results / "cohort"
    shutil.rmtree(results / OTHER)
    shutil.rmtree(results / "cohort")


def test_a_finished_subject_is_finished_in_a_cohort_and_a_new_one_is_planned_whole(finished, study):
    planned = finished.pending(config=study)
    assert not [rule for rule in planned if rule.startswith("tiny_")]
    assert planned["show_subject"] == 2 and planned[f"{OTHER}_fit_expression"] == 3
    shared = {"show_subject", "show_heads", "compare_subjects", "index_heads"}
    assert {rule for rule in planned if not rule.startswith(f"{OTHER}_")} == shared


def test_a_batch_plans_its_own_subjects_and_says_nothing_of_the_others(finished, study):
    planned = finished.pending("--batch", "show_heads=1/2", config=study)
    assert planned["show_subject"] == 1
    assert {rule for rule in planned if rule.startswith("tiny_")} == set()
    assert "compare_subjects" not in planned


def test_a_job_of_a_cluster_reads_the_rules_of_its_own_subject(finished, study):
    job = ["--mode", "remote", "--target-jobs", "tiny_split_cameras:", "--list-rules"]
    done = finished.snakemake(*job, config=study)
    assert "tiny_split_cameras" in done.stdout + done.stderr
    assert f"{OTHER}_split_cameras" not in done.stdout + done.stderr


def test_the_page_opens_every_head(compared):
    page = (compared / "index.html").read_text()
    for path in ("../tiny/control/head.html", f"../{OTHER}/control/head.html", "../tiny/evaluation/summary.html"):
        assert f'href="{path}"' in page
    assert "http" not in page
    assert (compared / "heads.jpg").stat().st_size > 1000


def test_equal_subjects_have_equal_figures_and_no_interval(compared):
    values = pd.read_csv(compared / "evaluation" / "by_subject.csv")
    assert set(values["subject"]) == {"tiny", OTHER}
    summary = pd.read_csv(compared / "evaluation" / "cohort.csv")
    assert (summary["n"] == 2).all()
    assert (summary["high"] - summary["low"]).abs().max() < 1e-6


def test_equal_subjects_explain_each_other_as_well_as_themselves(compared):
    shared = pd.read_csv(compared / "evaluation" / "shared.csv")
    found = shared.pivot_table(index=["method", "k"], columns="learned_from", values="explained")
    pca = found.loc["pca_xyz"].dropna()
    assert len(pca) and (pca["others"] - pca["own"]).abs().max() < 1e-3
    assert (compared / "components" / "base" / "pca_xyz.h5").is_file()


@pytest.mark.usefixtures("compared")
def test_a_single_run_after_the_cohort_has_nothing_to_do(finished):
    assert finished.pending() == {}


def test_docstrings_name_nothing_that_only_a_subjects_module_knows():
    found = [
        (path.name, name)
        for path in (ROOT / "workflow" / "rules").rglob("*.smk")
        for text in re.findall(r'"""(.*?)"""', path.read_text(), re.S)
        for name in re.findall(r"{([A-Za-z_]+)", text)
        if name not in ("wildcards", "params", "input", "output")
    ]
    assert found == []


@pytest.mark.parametrize(
    ("subjects", "sentence"),
    [
        (["tiny"], "configuration, subjects: got 1 (tiny), expected two or more"),
        (["tiny", "tiny"], "configuration, subjects: tiny occurs 2 times"),
        ({"tiny": None, "ben": {"preset": "local"}}, "subject ben: "),
        ({"tiny": None, "ben": {"capture": {"expressions": ["E999"]}}}, "subject ben: "),
    ],
)
def test_subjects_that_cannot_be_are_one_sentence(finished, tmp_path, subjects, sentence):
    raw = yaml.safe_load(finished.config.read_text())
    del raw["subject"]
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(raw | {"subjects": subjects}))
    done = finished.snakemake("--dry-run", config=path)
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1 and len(said) == 1 and said[0].startswith(f"error: {sentence}")
    assert "Traceback" not in done.stderr
