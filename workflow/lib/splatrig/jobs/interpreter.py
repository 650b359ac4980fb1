"""Folders whose names have special characters of the shell, into whose commands Snakemake writes them."""

import os
import shlex
import sys
from pathlib import Path

from splatrig.io.errors import InputError


def call_python_by_its_name() -> None:
    """Call Python by its name alone if its folder contains spaces or quotes.

    Snakemake 9 writes `sys.executable` into shell commands unquoted, so a space in it breaks every job. Its folder is
    put first in PATH, which jobs inherit, and there the shell finds the same Python.
    """
    if shlex.quote(sys.executable) != sys.executable:
        python = Path(sys.executable)
        os.environ["PATH"] = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
        sys.executable = python.name


def check_cluster_folder(folder: str | Path) -> None:
    """Raise InputError if the folder of a run cannot be passed to the jobs of a cluster.

    Snakemake quotes it as Python does, which a shell misreads if the name has both kinds of quotes, or characters that
    a shell expands between double quotes.
    """
    named = str(folder)
    if set("$`\\") & set(named) or {"'", '"'} <= set(named):
        raise InputError(
            f"the folder of the run: got {named}, expected for jobs of a cluster no dollar sign, backtick or backslash "
            "in its name, and no two kinds of quotes; rename the folder."
        )
