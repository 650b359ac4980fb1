"""Kill snakemake and jobs of every kind at random moments, recover as documented, compare with an undisturbed run.

    python benchmarks/workflow/faults.py --kills 50

copies the project to a scratch folder, runs the tiny capture of the tests once undisturbed and then again under
SIGKILLs: of one to five jobs, then of snakemake, then the recovery of docs/operations.md (`snakemake --unlock`, the
same command again), until the number of kills is reached. What is in place after each kill of snakemake is compared,
and all results when the disturbed run is complete. Each kill and comparison is a line of `kills.csv` in `--folder`,
where the same command goes on if it was stopped. `--smallest` does it with a toy workflow of two jobs.

Equal means: the same files, byte for byte. Left out are what holds times of day or durations, by name (`TIMED`), and
the lines of the comparison of methods that tell run times.
"""

import atexit
import csv
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from support.harness import ROOT, Figures, demo_head, machine, parsed, parser_of

CONFIG = "tests/workflow/tiny.yaml"
TIMED = re.compile(r"evaluation/(runtimes(/|\.)|figures/runtime)|tensorboard/|progress/")
"""Results that hold times: how long methods took, TensorBoard's events, checkpoints of unfinished fits."""
PARTIAL = re.compile(r"\..+-[a-z0-9_]{8}(\.\w+)?")
"""Names of unfinished files, which `splatrig.io.files` moves into place when they are whole."""
_SCRIPT = re.compile(r"\.snakemake/scripts/tmp\w+\.(\w+)\.py")
_ENDED = re.compile(r"ended after ([\d.]+) s")
_POLL_S = 0.2
_NOT_COPIED = (
    ".git",
    ".venv",
    ".snakemake",
    "results",
    "logs",
    "captures",
    "__pycache__",
    ".*_cache",
    ".gpu*",
    ".hyp*",
)


def differences(reference: Path, other: Path) -> list[str]:
    """Return the results, by path below two folders, that only one of them has or whose bytes differ."""
    here, there = _results(reference), _results(other)
    only = [f"only in one: {name}" for name in sorted(here ^ there)]
    return only + [
        f"differs: {name}" for name in sorted(here & there) if _content(reference / name) != _content(other / name)
    ]


def _content(path: Path) -> bytes:
    """Return the bytes of a result; of a comparison of methods without the lines that tell run times."""
    content = path.read_bytes()
    if path.stem != "comparison":
        return content
    return b"".join(line for line in content.splitlines(keepends=True) if b"run time" not in line)


def _results(folder: Path) -> set[str]:
    """Return the paths of all results below a folder but for what holds times, and Snakemake's own stamps."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {
        path.as_posix()
        for path in paths
        if not TIMED.search(path.as_posix())
        and path.name not in (".snakemake_timestamp", "provenance.json")
        and not any(PARTIAL.fullmatch(part) for part in path.parts)
    }


def leftovers(folder: Path) -> list[Path]:
    """Return the unfinished files and folders that killed jobs have left."""
    return sorted(path for path in folder.rglob(".*") if PARTIAL.fullmatch(path.name))


@dataclass(frozen=True)
class Run:
    """One working copy, and the command that brings it up to date."""

    folder: Path
    command: list[str]
    environment: dict[str, str]

    def start(self) -> subprocess.Popen[bytes]:
        """Start snakemake; its words go to the file `snakemake.out`. It does not outlive this process."""
        with open(self.folder / "snakemake.out", "ab") as words:
            workflow = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environment, stdout=words, stderr=subprocess.STDOUT
            )
        atexit.register(workflow.kill)
        return workflow

    def recover(self) -> None:
        """Do what is documented for after a crash: unlock the folder. Then the same command goes on."""
        unlock = [*self.command, "--unlock"]
        done = subprocess.run(unlock, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)

    def undisturbed(self) -> None:
        """Run to the end; raise RuntimeError with the last words if that fails."""
        if self.start().wait() != 0:
            raise RuntimeError((self.folder / "snakemake.out").read_text()[-3000:])

    def seconds_of(self, kind: str) -> float:
        """Return how long the last finished job of a rule took, by the logs; 2 s if none has finished."""
        for log in self.folder.glob("logs/*/**/*.log"):
            text = log.read_text(errors="replace")
            if f"rule {kind}" in text and (found := _ENDED.search(text)):
                return float(found[1])
        return 2.0

    def disturb(
        self, moment: Callable[[str], float | None], most: int, note: Callable[[str], None] | None = None
    ) -> tuple[list[str], bool]:
        """Run, and kill jobs until `most` of them are killed, then snakemake itself.

        `moment` says for a kind of job after which share of its usual time it is killed, None: not at all; `note` is
        told of each kill. Return the kinds that were killed, in order, and whether the run ended well instead. Killed
        jobs are retried meanwhile.
        """
        workflow = self.start()
        killed: list[str] = []
        seen: set[int] = set()

        def kill(process: psutil.Process, kind: str) -> None:
            with suppress(psutil.NoSuchProcess):
                process.kill()
                killed.append(kind)
                if note:
                    note(kind)

        while workflow.poll() is None:
            for job, kind in list(_jobs(workflow.pid)):
                share = None if job.pid in seen or len(killed) == most else moment(kind)
                seen.add(job.pid)
                if share is not None:
                    time.sleep(share * self.seconds_of(kind))
                    kill(job, kind)
            if len(killed) == most:
                kill(psutil.Process(workflow.pid), "snakemake")
                workflow.wait()
                return killed, False
            time.sleep(_POLL_S)
        return killed, workflow.returncode == 0


def _jobs(workflow: int) -> Iterator[tuple[psutil.Process, str]]:
    """Yield the processes that run scripts of a workflow's rules, with the names of the scripts."""
    try:
        children = psutil.Process(workflow).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for process in children:
        try:
            found = _SCRIPT.search(" ".join(process.cmdline()[-1:]))
        except psutil.Error:
            continue
        if found:
            yield process, found[1]


def copy_project(folder: Path) -> Run:
    """Copy the sources (and what was retrieved from the network) into a folder, unless it is there already."""
    if not folder.is_dir():
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    return _run_in(folder, "--configfile", CONFIG)


def _run_in(folder: Path, *words: str) -> Run:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--retries", "3", *words]
    environment = {name: value for name, value in os.environ.items() if name != "SPLATRIG_CACHE"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    return Run(folder, command, environment)


TOY = {
    "Snakefile": """
rule all:
    input: "results/a.txt", "results/b.txt"
rule write:
    output: "results/{name}.txt"
    script: "write.py"
""",
    "write.py": """
import time
from pathlib import Path
time.sleep(1)
Path(snakemake.output[0]).write_text(snakemake.wildcards.name)
""",
    "logs/toy/write.log": "rule write ended after 1 s",
}
"""A workflow of two jobs of a second, for `--smallest`; its log says how long a job takes (`Run.seconds_of`)."""


def toy_project(folder: Path) -> Run:
    """Write the toy workflow into a folder."""
    for name, text in TOY.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return _run_in(folder, "--rerun-incomplete")


class Record:
    """What came of a campaign so far: a table to which each event is appended, so that a stopped campaign goes on.

    An event is a kill (of a kind of job, or `snakemake`) or a comparison with the undisturbed run: `interrupted`, of
    what was in place after a kill of snakemake, or `complete`, of a run that came to its end.
    """

    COLUMNS = ("time", "event", "files", "differing", "names")

    def __init__(self, path: Path):
        self.path = path
        if not path.is_file():
            path.write_text(",".join(self.COLUMNS) + "\n")

    @property
    def rows(self) -> list[dict[str, str]]:
        """All events, the first first."""
        with self.path.open(newline="") as file:
            return list(csv.DictReader(file))

    def add(self, event: str, files: int | None = None, differing: Sequence[str] = ()) -> None:
        """Append one event; `files` is how many were compared."""
        row = [f"{datetime.now():%F %T}", event]
        row += [] if files is None else [str(files), str(len(differing)), "; ".join(differing)]
        with self.path.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)

    def comparisons(self, event: str) -> list[dict[str, str]]:
        """Return the events of one kind of comparison."""
        return [row for row in self.rows if row["event"] == event]

    def kills(self, compared: bool = False, this_round: bool = False) -> Counter[str]:
        """Count the kills by kind: all, those that a complete run was compared after, or those since the last one."""
        events = [row["event"] for row in self.rows]
        last = max((at for at, event in enumerate(events) if event == "complete"), default=-1)
        chosen = events[: last + 1] if compared else events[last + 1 if this_round else 0 :]
        return Counter(event for event in chosen if event not in ("interrupted", "complete"))


def campaign(
    kills: int, seed: int, folder: Path, reference: Path | None, copied: Callable[[Path], Run] = copy_project
) -> Record:
    """Kill until the number is reached and the last run complete, and compare each complete run.

    `reference`: the results of an undisturbed run of the same sources, if there are any already; `copied` makes a
    working copy in a folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record, place = Record(folder / "kills.csv"), folder / "disturbed"
    fresh = not place.is_dir()
    run = copied(place)
    if not fresh:
        run.recover()
    if reference is None:
        undisturbed = copied(folder / "undisturbed")
        undisturbed.undisturbed()
        reference = undisturbed.folder / "results"
    mine = run.folder / "results"
    while record.kills(compared=True).total() < kills:
        left = kills - record.kills().total()
        if left <= 0:
            run.undisturbed()
        elif not _disturb(run, record, left, random.Random(f"{seed} {left}")):
            run.recover()
            record.add("interrupted", len(_results(mine)), _wrong(reference, mine))
            continue
        record.add("complete", len(_results(mine)), differences(reference, mine))
        for part in ("results", "resources/captures", "logs", ".snakemake"):
            shutil.rmtree(run.folder / part, ignore_errors=True)
    return record


def _disturb(run: Run, record: Record, left: int, generator: random.Random) -> bool:
    """Kill one to five jobs, each kind at most twice a round, and snakemake; return whether the run ended instead."""

    def moment(kind: str) -> float | None:
        spared = record.kills(this_round=True)[kind] >= 2 or generator.random() < 0.3
        return None if spared else generator.random()

    return run.disturb(moment, min(generator.randint(1, 5), left), record.add)[1]


def _wrong(reference: Path, part: Path) -> list[str]:
    """Return what of an unfinished run's results the undisturbed run has not, byte for byte."""
    return [line for line in differences(reference, part) if (part / line.partition(": ")[2]).is_file()]


def main() -> None:
    """Run the campaign and print what came of it as a Markdown table."""
    parser = parser_of(__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to work, and go on; default: a temporary folder")
    parser.add_argument(
        "--reference", type=Path, help="results of an undisturbed run of these sources; default: make it"
    )
    options = parsed(parser, kills=1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    if not options.smallest:
        demo_head()
    figures = Figures(options, machine("snakemake"))
    with tempfile.TemporaryDirectory() as temporary:
        folder, copied = options.folder or Path(temporary), toy_project if options.smallest else copy_project
        record = campaign(options.kills, options.seed, folder, options.reference, copied)
        print(summary(record))
        for event in ("complete", "interrupted"):
            compared = record.comparisons(event)
            figures.add(f"{event}: comparisons", len(compared), "", shown=False)
            for name in ("files", "differing"):
                figures.add(f"{event}: {name}", sum(int(row[name]) for row in compared), "", shown=False)
        figures.add("kills", record.kills(compared=True).total(), "", shown=False)
        figures.save()
        differed = any(row["names"] for row in record.rows)
    sys.exit(differed)


def summary(record: Record) -> str:
    """Return kills and comparisons as Markdown."""
    compared, interrupted = (record.comparisons(event) for event in ("complete", "interrupted"))
    total = [sum(int(row[name]) for row in rows) for rows in (compared, interrupted) for name in ("files", "differing")]
    kills = record.kills(compared=True)
    lines = [
        f"{kills.total()} kills in {len(compared)} runs that were then completed and compared:\n",
        "| compared with the undisturbed run | times | files | files that differ |\n|---|---|---|---|",
        f"| the complete results | {len(compared)} | {total[0]:,} | {total[1]} |",
        f"| what was in place after a kill of snakemake | {len(interrupted)} | {total[2]:,} | {total[3]} |",
        "\n| killed | times |\n|---|---|",
        *(f"| `{kind}` | {count} |" for kind, count in sorted(kills.items(), key=lambda item: (-item[1], item[0]))),
        *(row["names"] for row in record.rows if row["names"]),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
