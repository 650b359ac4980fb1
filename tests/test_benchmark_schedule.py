"""The list scheduler that hours on many GPUs are simulated by."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "workflow" / "schedule.py"
specification = spec_from_file_location("schedule", SCRIPT)
assert specification is not None and specification.loader is not None
schedule = sys.modules["schedule"] = module_from_spec(specification)
specification.loader.exec_module(schedule)
Demand, Graph = schedule.Demand, schedule.Graph

ROWS = [
    {"rule": "all", "threads": 1, "gpus": 0, "needs": [1, 2]},
    {"rule": "fit_expression", "threads": 8, "gpus": 1, "needs": [2]},
    {"rule": "fit_neutral", "threads": 8, "gpus": 1, "needs": []},
]


def test_jobs_are_put_in_an_order_that_can_run():
    graph, occupied = schedule.read_jobs(ROWS)
    assert graph == Graph(("fit_neutral", "fit_expression", "all"), ((), (0,), (0, 1)))
    assert occupied == {"all": (1, 0), "fit_expression": (8, 1), "fit_neutral": (8, 1)}


def test_jobs_that_wait_for_each_other_are_refused():
    with pytest.raises(ValueError, match="wait for each other"):
        schedule.read_jobs([{**ROWS[2], "needs": [1]}, {**ROWS[2], "needs": [0]}])


def test_times_are_the_means_of_the_tables_of_a_rule(tmp_path):
    for name, seconds in (("fit/E1", 2.0), ("fit/E2", 4.0), ("list", 1.0)):
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"s\th:m:s\n{seconds}\t0:00:02\n")
    assert schedule.read_seconds(tmp_path) == {"fit": 3.0, "list": 1.0}


def test_a_chain_takes_its_sum_and_more_subjects_fill_more_gpus():
    graph = Graph(("a", "b"), ((), (0,)))
    wanted = {"a": Demand(3600.0, 1, 1), "b": Demand(7200.0, 1, 1)}
    assert schedule.simulate(graph, wanted, 1, 4, 8).hours == pytest.approx(3.0)
    found = schedule.simulate(graph, wanted, 4, 4, 8)
    assert (found.hours, found.gpu_hours) == pytest.approx((3.0, 12.0))
    assert schedule.simulate(graph, wanted, 4, 1, 8).hours == pytest.approx(12.0)
    assert schedule.simulate(graph, wanted, 4, 1, 8, jobs_per_gpu=2).hours == pytest.approx(6.0)


def test_the_longest_way_goes_first():
    graph = Graph(("short", "start", "end"), ((), (), (1,)))
    wanted = {"short": Demand(3600.0, 1, 1), "start": Demand(3600.0, 1, 1), "end": Demand(3600.0)}
    assert schedule.simulate(graph, wanted, 1, 1, 8).hours == pytest.approx(2.0)


def test_cores_bound_jobs_without_gpus():
    wanted = {"a": Demand(3600.0, threads=4)}
    assert schedule.simulate(Graph(("a",), ((),)), wanted, 6, 1, 8).hours == pytest.approx(3.0)


@given(
    st.lists(st.tuples(st.floats(1.0, 50.0), st.lists(st.integers(0, 30), max_size=3)), min_size=1, max_size=12),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_a_schedule_is_never_better_than_possible_nor_worse_than_grahams_bound(jobs, gpus, subjects):
    needs = tuple(
        tuple(sorted({other % index for other in others})) if index else () for index, (_, others) in enumerate(jobs)
    )
    rules = tuple(str(index) for index in range(len(jobs)))
    wanted = {rule: Demand(seconds, 1, 1) for rule, (seconds, _) in zip(rules, jobs, strict=True)}
    found = schedule.simulate(Graph(rules, needs), wanted, subjects, gpus, 8)
    ways: list[float] = []
    for index, (seconds, _) in enumerate(jobs):
        ways.append(seconds + max((ways[other] for other in needs[index]), default=0.0))
    work = subjects * sum(seconds for seconds, _ in jobs)
    least = max(max(ways), work / gpus)
    assert found.gpu_hours * 3600 == pytest.approx(work)
    assert least * (1 - 1e-9) <= found.hours * 3600 <= (work / gpus + max(ways)) * (1 + 1e-9)
