"""How long a graph of jobs takes on so many GPUs: a list scheduler over the graph that Snakemake plans.

Jobs start as soon as what they need is done and a GPU or cores are free; of those that could, the one with the longest
way to the end is first. Nothing else is modeled: no queue of a cluster, no network, no failures.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Graph:
    """The jobs of one subject, each after all that it needs."""

    rules: tuple[str, ...]
    needs: tuple[tuple[int, ...], ...]
    """By job the indices of those that it needs, all smaller than its own."""


@dataclass(frozen=True)
class Demand:
    """What one job of a rule occupies, and for how long."""

    seconds: float
    threads: int = 1
    gpus: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a simulated run took."""

    hours: float
    gpu_hours: float
    """Hours of all GPUs in which a job had them."""


LIST_JOBS = """
import atexit
import json

include: "Snakefile"


def _list_jobs():
    place = {job: index for index, job in enumerate(workflow.dag.jobs)}
    rows = [
        {
            "rule": job.rule.name,
            "threads": job.threads,
            "gpus": job.resources.get("gpu", 0),
            "needs": [place[other] for other in workflow.dag.dependencies[job]],
        }
        for job in place
    ]
    Path("jobs.json").write_text(json.dumps(rows))


atexit.register(_list_jobs)
"""
"""A Snakefile whose dry run leaves the planned jobs in `jobs.json`."""


def read_jobs(rows: Sequence[Mapping[str, Any]]) -> tuple[Graph, dict[str, tuple[int, int]]]:
    """Return the graph of the jobs of `LIST_JOBS`, each after what it needs, and threads and GPUs by rule."""
    place: dict[int, int] = {}
    while len(place) < len(rows):
        free = [job for job, row in enumerate(rows) if job not in place and place.keys() >= set(row["needs"])]
        if not free:
            raise ValueError("the jobs wait for each other")
        place |= {job: len(place) + index for index, job in enumerate(free)}
    ordered = [rows[job] for job in place]
    needs = tuple(tuple(sorted(place[other] for other in row["needs"])) for row in ordered)
    occupied = {row["rule"]: (int(row["threads"]), int(row["gpus"])) for row in rows}
    return Graph(tuple(row["rule"] for row in ordered), needs), occupied


def read_seconds(folder: Path) -> dict[str, float]:
    """Return the mean seconds of a job of every rule that `logs/{subject}/benchmarks` has a table of."""
    tables: dict[str, list[float]] = {}
    for path in sorted(folder.rglob("*.tsv")):
        rule = path.relative_to(folder).with_suffix("").parts[0]
        tables.setdefault(rule, []).append(float(pd.read_csv(path, sep="\t")["s"].mean()))
    return {rule: sum(times) / len(times) for rule, times in tables.items()}


def simulate(
    graph: Graph, demands: Mapping[str, Demand], subjects: int, gpus: int, cores_per_gpu: int, jobs_per_gpu: int = 1
) -> Outcome:
    """Run the graph once for each of so many subjects on `gpus` GPUs and their cores; return what that took.

    A GPU has room for `jobs_per_gpu` jobs, whose seconds are those with such company.
    """
    count = len(graph.rules)
    wanted = [demands[rule] for rule in graph.rules]
    ways, followers = _ways_to_the_end(graph, [each.seconds for each in wanted])
    waiting = [len(needs) for needs in graph.needs] * subjects
    ready: tuple[list[tuple[float, int]], list[tuple[float, int]]] = ([], [])  # without and with a GPU

    def offer(job: int) -> None:
        heapq.heappush(ready[int(wanted[job % count].gpus > 0)], (-ways[job % count], job))

    for job, needed in enumerate(waiting):
        if not needed:
            offer(job)
    cores, slots = gpus * cores_per_gpu, gpus * jobs_per_gpu
    now, busy, running = 0.0, 0.0, list[tuple[float, int]]()
    while True:
        for queue in (ready[1], ready[0]):
            while queue:
                own = wanted[queue[0][1] % count]
                threads = min(own.threads, gpus * cores_per_gpu)
                if own.gpus > slots or threads > cores:
                    break
                _, job = heapq.heappop(queue)
                slots, cores = slots - own.gpus, cores - threads
                busy += own.gpus * own.seconds / jobs_per_gpu
                heapq.heappush(running, (now + own.seconds, job))
        if not running:
            return Outcome(now / 3600, busy / 3600)
        now, job = heapq.heappop(running)
        own = wanted[job % count]
        slots, cores = slots + own.gpus, cores + min(own.threads, gpus * cores_per_gpu)
        for follower in followers[job % count]:
            other = job - job % count + follower
            waiting[other] -= 1
            if not waiting[other]:
                offer(other)


def _ways_to_the_end(graph: Graph, seconds: Sequence[float]) -> tuple[list[float], list[list[int]]]:
    """Return, by job, the seconds of the longest chain from its start to the end, and the jobs that need it."""
    followers: list[list[int]] = [[] for _ in graph.rules]
    for job, needs in enumerate(graph.needs):
        for other in needs:
            followers[other].append(job)
    ways = list(seconds)
    for job in range(len(ways) - 1, -1, -1):
        ways[job] += max((ways[other] for other in followers[job]), default=0.0)
    return ways, followers
