import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest

from splatrig.jobs.logs import last_words, worth_a_look


def run(code: str, log: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", f"from splatrig.jobs.logs import log_to; log_to({str(log)!r})\n{code}"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )


def test_everything_said_goes_to_the_log(tmp_path):
    log = tmp_path / "logs" / "x.log"
    done = run(
        "import logging, os, sys; print('out'); print('err', file=sys.stderr); os.system('echo child');"
        "logging.getLogger('a').info('measured %d', 3)",
        log,
    )
    assert done.returncode == 0
    assert done.stdout == done.stderr == ""
    text = log.read_text()
    for word in ("out", "err", "child", "measured 3"):
        assert word in text


def test_warnings_of_this_run_are_told_and_nothing_else(tmp_path):
    logs = [tmp_path / f"{name}.log" for name in ("a", "b", "absent")]
    say = "import logging, sys; log = logging.getLogger('splatrig.x'); log.info('fine'); "
    run(say + "log.warning('camera %s is dark', 'c'); logging.getLogger('other').warning('deprecated')", logs[0])
    run(say + "print('12:00:00 no warning: this is print'); log.warning('a mesh has moved')", logs[1])
    said = worth_a_look(logs, since=0.0)
    assert said.splitlines() == [
        "Worth a look:",
        f"    {logs[0]}: camera c is dark",
        f"    {logs[1]}: a mesh has moved",
    ]
    assert worth_a_look(logs, since=0.0, most=1).endswith("camera c is dark\n    and 1 more")
    assert worth_a_look(logs, since=logs[1].stat().st_mtime + 1.0) == ""


def test_an_interrupt_is_one_sentence(tmp_path):
    assert run("raise KeyboardInterrupt", tmp_path / "x.log").returncode != 0
    said = (tmp_path / "x.log").read_text()
    assert "error: interrupted; run the same command again to continue." in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("error", "traceback"), [("InputError", False), ("KeyError", True)])
def test_bad_input_is_one_sentence_and_a_bug_keeps_its_traceback(tmp_path, error, traceback):
    log = tmp_path / "x.log"
    done = run(
        f"from splatrig.io.errors import InputError; raise {error}('KRT line 27: expected 4 numbers, got 3')", log
    )
    assert done.returncode == 1
    assert "KRT line 27: expected 4 numbers, got 3" in log.read_text()
    assert ("Traceback" in log.read_text()) is traceback


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left on device; make room there"),
        (errno.EROFS, "Read-only file system; make the folder writable"),
        (errno.ESTALE, "Stale file handle; see that the file server answers"),
    ],
)
def test_trouble_with_the_machine_is_one_sentence(tmp_path, number, words):
    log, target = tmp_path / "x.log", tmp_path / "out.h5"
    done = run(
        "import os; from splatrig.io.files import atomic_path\n"
        f"with atomic_path({str(target)!r}): raise OSError({number}, os.strerror({number}))",
        log,
    )
    assert done.returncode == 1
    text = log.read_text()
    assert f"error: while writing {target}: {words}, then run the same command again." in text
    assert "Traceback" not in text


WORKFLOW_LOG = """
[Mon Nov 23 01:45:12 2026]
Error in rule restructure:
    message: None
    jobid: 7
    output: results/a
    log: {first}, {missing} (check log file(s) for error details)
Shutting down, this might take some time.
"""


def test_the_last_words_of_failed_jobs_come_with_their_paths(tmp_path):
    first, missing, workflow = tmp_path / "first.log", tmp_path / "missing.log", tmp_path / "snakemake.log"
    first.write_text("".join(f"step {number}\n\n" for number in range(100)) + "bar: 0%\rbar: 100%\nerror: too bad\n")
    workflow.write_text(WORKFLOW_LOG.format(first=first, missing=missing) * 2)
    said = last_words([workflow], lines=4)
    assert said.splitlines()[:5] == [
        f"Logfile {first} ends:",
        "    step 99",
        "    bar: 0%",
        "    bar: 100%",
        "    error: too bad",
    ]
    assert said.count(str(first)) == 1
    assert f"Logfile {missing} ends:\n    (cannot be read: No such file or directory)" in said


def test_a_log_that_is_elsewhere_is_read_where_its_copy_is(tmp_path):
    copy, workflow = tmp_path / "copy.log", tmp_path / "snakemake.log"
    copy.write_text("error: too bad\n")
    workflow.write_text(WORKFLOW_LOG.format(first="s3://bucket/first.log (send to storage)", missing="gone.log"))
    said = last_words([workflow], place=lambda name: copy if "bucket" in name else name)
    assert "Logfile s3://bucket/first.log (send to storage) ends:\n    error: too bad" in said


def test_a_run_without_failed_jobs_has_no_last_words(tmp_path):
    workflow = tmp_path / "snakemake.log"
    workflow.write_text("Building DAG of jobs...\n")
    assert last_words([workflow]) == ""


JOB = """
from types import SimpleNamespace
class Named(dict):
    pass
snakemake = SimpleNamespace(rule="pca", wildcards=Named(level="base"), threads=2, input={inputs}, output={outputs})
from splatrig.jobs.logs import log_to
log_to({log!r})
open({outputs}[0], "w").write("x" * 1234)
"""


def test_a_log_says_where_it_ran_what_was_read_and_written_and_what_it_cost(tmp_path):
    log, output = tmp_path / "x.log", str(tmp_path / "out.h5")
    inputs = [str(tmp_path / f"{number}.csv") for number in range(8)]
    Path(inputs[0]).write_text("a,b\n")
    done = subprocess.run(
        [sys.executable, "-c", JOB.format(inputs=inputs, outputs=[output], log=str(log))],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    first, second, *_, wrote, last = log.read_text().splitlines()
    assert re.match(r"[\d:]{8} \d{4}-\d\d-\d\d on .*: python 3\.\d+\.\d+, splatrig ", first)
    assert f"rule pca (level base), threads 2, reads {inputs[0]} (4 bytes), {inputs[1]} (not there)" in second
    assert second.endswith("and 2 more")
    assert wrote.endswith(f"outputs: {output} (1,234 bytes)")
    assert re.search(r"ended after [\d.]+ s, [\d.]+ s of processor time, at most \d+ MiB of memory$", last)
