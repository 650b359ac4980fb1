"""Kill snakemake and jobs of every kind at random moments, recover as documented, compare with an undisturbed run.

    python benchmarks/faults.py --kills 50

copies the project to a scratch folder, runs the tiny capture of the tests once undisturbed and then again under
SIGKILLs, each followed by the recovery of docs/operations.md (`snakemake --unlock`, then the same command again), until
the number of kills is reached. When a disturbed run is complete, its results are compared and it starts over.

Equal means: the same files, byte for byte. Left out are what holds times of day or durations, by name (`TIMED`).
"""

import argparse
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "tests" / "workflow" / "tiny.yaml"
TIMED = re.compile(r"evaluation/(runtimes(/|\.)|figures/runtime)|tensorboard/|progress/")
"""Results that hold times: how long methods took, TensorBoard's events, checkpoints of unfinished fits."""
PARTIAL = re.compile(r"\..+-[a-z0-9_]{8}(\.\w+)?")
"""Names of unfinished files, which `splatrig.files` moves into place when they are whole."""
_SCRIPT = re.compile(r"\.snakemake/scripts/tmp\w+\.(\w+)\.py")
_POLL_S = 0.02
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


@dataclass
class Run:
    """One working copy, and the command that brings it up to date."""

    folder: Path
    command: list[str]
    environment: dict[str, str]
    durations: dict[str, float] = field(default_factory=dict)
    """Seconds that a job of a kind (the name of its script) was seen to take."""

    def start(self) -> subprocess.Popen[bytes]:
        """Start snakemake; its words go to the file `snakemake.out`."""
        with open(self.folder / "snakemake.out", "ab") as words:
            return subprocess.Popen(
                self.command, cwd=self.folder, env=self.environment, stdout=words, stderr=subprocess.STDOUT
            )

    def recover(self) -> None:
        """Do what is documented for after a crash: unlock the folder. Then the same command goes on."""
        subprocess.run(
            [*self.command, "--unlock"], cwd=self.folder, env=self.environment, check=True, capture_output=True
        )

    def undisturbed(self) -> None:
        """Run to the end, noting how long jobs take; raise RuntimeError with the last words if that fails."""
        workflow = self.start()
        begun: dict[int, tuple[str, float]] = {}
        ended: dict[str, float] = {}
        while workflow.poll() is None:
            now = time.monotonic()
            running = {job.pid: kind for job, kind in _jobs(workflow.pid)}
            for pid in [pid for pid in begun if pid not in running]:
                kind, start = begun.pop(pid)
                ended[kind] = max(ended.get(kind, 0.0), now - start)
            for pid, kind in running.items():
                begun.setdefault(pid, (kind, now))
            time.sleep(_POLL_S)
        self.durations |= ended
        if workflow.returncode != 0:
            raise RuntimeError((self.folder / "snakemake.out").read_text()[-3000:])

    def kill_snakemake(self, after_s: float) -> bool:
        """Run, and kill snakemake after some seconds; return whether it was still running."""
        workflow = self.start()
        try:
            workflow.wait(timeout=after_s)
        except subprocess.TimeoutExpired:
            workflow.kill()
            workflow.wait()
            return True
        return False

    def kill_job(self, wanted: Callable[[str], bool], share: float) -> str | None:
        """Run, and kill the first job of a wanted kind when this share of its usual time is over; return its kind.

        None: the run ended, or the job did, before it could be killed.
        """
        workflow = self.start()
        killed, waiting = None, True
        while workflow.poll() is None:
            chosen = next((item for item in _jobs(workflow.pid) if waiting and wanted(item[1])), None)
            if chosen:
                job, kind = chosen
                waiting = False
                time.sleep(share * self.durations.get(kind, 2.0))
                with suppress(psutil.NoSuchProcess):
                    job.kill()
                    killed = kind
            time.sleep(_POLL_S)
        return killed


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
    """Copy the sources (and what was retrieved from the network) into a folder."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*_NOT_COPIED), dirs_exist_ok=True)
    command = [sys.executable, "-m", "snakemake", "--configfile", str(CONFIG), "--cores", "2"]
    environment = {name: value for name, value in os.environ.items() if name != "SPLATRIG_CACHE"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    return Run(folder, command, environment)


def campaign(kills: int, seed: int, folder: Path) -> tuple[Counter[str], list[str], int]:
    """Return how often each kind was killed, what differed afterwards, and how many unfinished files were left."""
    generator = random.Random(seed)
    reference = copy_project(folder / "undisturbed")
    begin = time.monotonic()
    reference.undisturbed()
    total = time.monotonic() - begin
    print(f"undisturbed: {total:.0f} s, {len(reference.durations)} kinds of jobs", flush=True)

    run = copy_project(folder / "disturbed")
    run.durations = reference.durations
    counts: Counter[str] = Counter()
    found: list[str] = []
    partial = 0
    while counts.total() < kills:
        if generator.random() < 0.4:
            kind = "snakemake" if run.kill_snakemake(generator.uniform(0.5, max(8.0, 0.15 * total))) else None
        else:
            least = min(counts[name] for name in run.durations)
            kind = run.kill_job(lambda name, least=least: counts[name] <= least, generator.random())
        if kind is not None:
            counts[kind] += 1
            print(f"{counts.total():3d} {kind}", flush=True)
        run.recover()
        if counts.total() == kills or _is_complete(run):
            run.undisturbed()
            found += differences(reference.folder / "results", run.folder / "results")
            partial += len(leftovers(run.folder))
            print(f"complete after {counts.total()} kills; {len(found)} differences so far", flush=True)
            for part in ("results", "resources/captures", "logs", ".snakemake"):
                shutil.rmtree(run.folder / part, ignore_errors=True)
    return counts, found, partial


def _is_complete(run: Run) -> bool:
    done = subprocess.run(
        [*run.command, "--dry-run", "--quiet"], cwd=run.folder, env=run.environment, capture_output=True, text=True
    )
    return "Nothing to be done" in done.stdout + done.stderr


def main() -> None:
    """Run the campaign and print what came of it as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder, removed afterwards")
    arguments = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        counts, found, partial = campaign(arguments.kills, arguments.seed, arguments.folder or Path(temporary))
    print(f"\n{counts.total()} kills (seed {arguments.seed}) in {(time.monotonic() - begin) / 60:.1f} min on")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}.")
    print(f"Results that differ: {len(found)}. Unfinished files left behind: {partial}.\n")
    print("| killed | times |\n|---|---|")
    for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        print(f"| {kind} | {count} |")
    for line in found:
        print(line)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
