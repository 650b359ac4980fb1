"""Folders whose names mean something to a shell, into which Snakemake writes them."""

import os
import shlex
import sys
from pathlib import Path

from splatrig.io.errors import InputError


def call_python_by_its_name() -> None:
    """Let this process name its Python without a folder where the folder has blanks or quotes.

    Snakemake 9 writes `sys.executable` into shell commands as it is, so a blank in it ends every job. Its folder is
    put first in PATH, which jobs get from this process, and there the shell finds the same Python.
    """
    if shlex.quote(sys.executable) != sys.executable:
        python = Path(sys.executable)
        os.environ["PATH"] = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
        sys.executable = python.name


def check_cluster_folder(folder: str | Path) -> None:
    """Raise InputError where the folder of a run cannot be told to a cluster's jobs.

    Snakemake tells it as Python writes a text, which a shell reads back unless it has both kinds of quotes, or what
    a shell replaces between double ones.
    """
    named = str(folder)
    if set("$`\\") & set(named) or {"'", '"'} <= set(named):
        raise InputError(
            f"the folder of the run: got {named}, expected for jobs of a cluster no dollar sign, backtick or backslash "
            "in its name, and no two kinds of quotes; rename the folder."
        )
