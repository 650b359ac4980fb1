import os
import shlex
import subprocess
import sys

import pytest

from splatrig.io.errors import InputError
from splatrig.jobs.interpreter import call_python_by_its_name, check_cluster_folder


@pytest.mark.parametrize("folder", ["my head", "head's", 'a "b" c', "$HOME", "Köpfe", "a;b", "plain"])
def test_a_shell_finds_the_same_python_in_every_folder(tmp_path, monkeypatch, folder):
    python = tmp_path / folder / "python3"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PATH", os.defpath)
    call_python_by_its_name()
    command = f"{sys.executable} -c 'import sys; print(sys.executable)'"  # as Snakemake writes it
    done = subprocess.run(command, shell=True, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == str(python)
    assert subprocess.check_output([sys.executable, "-c", "print(1)"]) == b"1\n", "also without a shell"


def test_a_path_that_needs_no_quotes_stays(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/opt/venv/bin/python3")
    monkeypatch.setenv("PATH", os.defpath)
    call_python_by_its_name()
    assert sys.executable == shlex.quote("/opt/venv/bin/python3")
    assert os.environ["PATH"] == os.defpath


@pytest.mark.parametrize("folder", ["/data/my head", "/data/head's", '/data/a "b" c', "/data/Köpfe;x"])
def test_a_folder_that_a_clusters_jobs_find_is_read_back_by_a_shell(folder):
    check_cluster_folder(folder)
    assert shlex.split(repr(folder)) == [folder], "as Snakemake writes it"


@pytest.mark.parametrize("folder", ["/data/$HOME", "/data/`ls`", "/data/a\\b", '/data/my head\'s "Kopf"'])
def test_a_folder_that_they_would_not_find_is_refused(folder):
    with pytest.raises(InputError, match=r"the folder of the run: got .*; rename the folder"):
        check_cluster_folder(folder)
