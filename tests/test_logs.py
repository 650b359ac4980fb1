import subprocess
import sys
from pathlib import Path

import pytest

LIB = Path(__file__).resolve().parents[1] / "workflow/lib"


def run(code: str, log: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", f"from splatrig.logs import log_to; log_to({str(log)!r})\n{code}"],
        env={"PYTHONPATH": str(LIB), "PATH": "/usr/bin:/bin"},
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


@pytest.mark.parametrize(("error", "traceback"), [("InputError", False), ("KeyError", True)])
def test_bad_input_is_one_sentence_and_a_bug_keeps_its_traceback(tmp_path, error, traceback):
    log = tmp_path / "x.log"
    done = run(f"from splatrig.errors import InputError; raise {error}('KRT line 27: expected 4 numbers, got 3')", log)
    assert done.returncode == 1
    assert "KRT line 27: expected 4 numbers, got 3" in log.read_text()
    assert ("Traceback" in log.read_text()) is traceback
