"""Kill snakemake and jobs of every kind at random moments, recover as documented, compare with an undisturbed run.

    python benchmarks/faults.py --kills 50

copies the project to a scratch folder, runs the tiny capture of the tests once undisturbed and then again under
SIGKILLs, each followed by the recovery of docs/operations.md (`snakemake --unlock`, then the same command again), until
the number of kills is reached. When a disturbed run is complete, its results are compared and it starts over.

Equal means: the same files, byte for byte. Left out are what holds times of day or durations, by name (`TIMED`).
"""

import argparse
import atexit
import json
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "tests/workflow/tiny.yaml"
TIMED = re.compile(r"evaluation/(runtimes(/|\.)|figures/runtime)|tensorboard/|progress/")
"""Results that hold times: how long methods took, TensorBoard's events, checkpoints of unfinished fits."""
PARTIAL = re.compile(r"\..+-[a-z0-9_]{8}(\.\w+)?")
"""Names of unfinished files, which `splatrig.files` moves into place when they are whole."""
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
        f"differs: {name}"
        for name in sorted(here & there)
        if (reference / name).read_bytes() != (other / name).read_bytes()
    ]


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

    def disturb(self, moment: Callable[[str], float | None], most: int) -> tuple[list[str], bool]:
        """Run, and kill jobs until `most` of them are killed, then snakemake itself.

        `moment` says for a kind of job after which share of its usual time it is killed, None: not at all. Return the
        kinds that were killed, in order, and whether the run ended well instead. Killed jobs are retried meanwhile.
        """
        workflow = self.start()
        killed: list[str] = []
        seen: set[int] = set()
        while workflow.poll() is None:
            for job, kind in list(_jobs(workflow.pid)):
                share = None if job.pid in seen or len(killed) == most else moment(kind)
                seen.add(job.pid)
                if share is not None:
                    time.sleep(share * self.seconds_of(kind))
                    with suppress(psutil.NoSuchProcess):
                        job.kill()
                        killed.append(kind)
            if len(killed) == most:
                workflow.kill()
                workflow.wait()
                return [*killed, "snakemake"], False
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
    command = [sys.executable, "-m", "snakemake", "--configfile", CONFIG, "--cores", "2", "--retries", "3"]
    environment = {name: value for name, value in os.environ.items() if name != "SPLATRIG_CACHE"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    return Run(folder, command, environment)


@dataclass
class Tally:
    """What came of a campaign so far; kept in its folder, so that a stopped one goes on."""

    kills: dict[str, int] = field(default_factory=dict)
    rounds: int = 0
    """Complete runs whose results were compared."""
    differing: list[str] = field(default_factory=list)
    partial: int = 0
    """Unfinished files that were left behind."""

    @property
    def total(self) -> int:
        """Kills of any kind."""
        return sum(self.kills.values())


def campaign(kills: int, seed: int, folder: Path, reference: Path | None) -> Tally:
    """Kill until the number is reached and the last run complete, and compare each complete run.

    `reference`: the results of an undisturbed run of the same sources, if there are any already.
    """
    state, place = folder / "tally.json", folder / "disturbed"
    tally = Tally(**json.loads(state.read_text())) if state.is_file() else Tally()
    fresh = not place.is_dir()
    run = copy_project(place)
    if not fresh:
        run.recover()
    if reference is None:
        undisturbed = copy_project(folder / "undisturbed")
        undisturbed.undisturbed()
        reference = undisturbed.folder / "results"
    while tally.total < kills:
        generator = random.Random(f"{seed} {tally.total}")

        def moment(kind: str, generator: random.Random = generator) -> float | None:
            fresh = tally.kills.get(kind, 0) <= tally.rounds
            return generator.random() if fresh and generator.random() < 0.7 else None

        killed, complete = run.disturb(moment, min(generator.randint(1, 5), kills - tally.total))
        for kind in killed:
            tally.kills[kind] = tally.kills.get(kind, 0) + 1
            print(f"{tally.total:3d} {kind}", flush=True)
        state.write_text(json.dumps(asdict(tally)))
        if not complete:
            run.recover()
        if complete or tally.total >= kills:
            run.undisturbed()
            tally.differing += differences(reference, run.folder / "results")
            tally.partial += len(leftovers(run.folder))
            tally.rounds += 1
            print(f"complete after {tally.total} kills; {len(tally.differing)} differences so far", flush=True)
            for part in ("results", "resources/captures", "logs", ".snakemake"):
                shutil.rmtree(run.folder / part, ignore_errors=True)
            state.write_text(json.dumps(asdict(tally)))
    return tally


def main() -> None:
    """Run the campaign and print what came of it as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to work, and go on; default: a temporary folder")
    parser.add_argument(
        "--reference", type=Path, help="results of an undisturbed run of these sources; default: make it"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        tally = campaign(arguments.kills, arguments.seed, folder, arguments.reference)
    print(
        f"\n{tally.total} kills (seed {arguments.seed}), {tally.rounds} complete runs, on {platform.machine()},",
        end=" ",
    )
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}.")
    print(f"Results that differ: {len(tally.differing)}. Unfinished files left behind: {tally.partial}.\n")
    print("| killed | times |\n|---|---|")
    for kind, count in sorted(tally.kills.items(), key=lambda item: (-item[1], item[0])):
        print(f"| {kind} | {count} |")
    for line in tally.differing:
        print(line)
    sys.exit(bool(tally.differing))


if __name__ == "__main__":
    main()
