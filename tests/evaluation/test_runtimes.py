import pandas as pd
import pytest

from splatrig.evaluation.runtimes import job_seconds, seconds_of
from splatrig.evaluation.table import RUNTIME_COLUMNS


def benchmark(path, *seconds):
    pd.DataFrame({"s": seconds, "h:m:s": "0:00:01"}).to_csv(path, sep="\t", index=False)
    return str(path)


def test_repeats_of_a_job_are_averaged_and_absent_tables_are_none(tmp_path):
    assert seconds_of(benchmark(tmp_path / "a.tsv", 2.0, 4.0)) == pytest.approx(3.0)
    assert seconds_of(tmp_path / "absent.tsv") is None


def test_jobs_of_a_method_add_up_and_half_measured_ones_are_left_out(tmp_path):
    a, b = benchmark(tmp_path / "a.tsv", 2.0), benchmark(tmp_path / "b.tsv", 5.0)
    jobs = [
        {"method": "fits", "level": "subd2", "k": 0, "benchmarks": [a, b]},
        {"method": "pca_all", "level": "subd2", "k": 20, "benchmarks": [a, str(tmp_path / "absent.tsv")]},
    ]
    table = job_seconds(jobs)
    assert tuple(table.columns) == RUNTIME_COLUMNS
    assert table["method"].tolist() == ["fits"]
    assert table["seconds"].tolist() == [7.0]


def test_copies_are_read_in_the_place_of_tables_that_are_elsewhere(tmp_path):
    jobs = [
        {"method": "fits", "level": "subd2", "k": 0, "benchmarks": ["logs/a.tsv", "logs/b.tsv"]},
        {"method": "pca_all", "level": "subd2", "k": 20, "benchmarks": ["logs/c.tsv"]},
    ]
    copies = [benchmark(tmp_path / f"{seconds}.tsv", seconds) for seconds in (2.0, 5.0, 1.0)]
    assert job_seconds(jobs, copies)["seconds"].tolist() == [7.0, 1.0]
