"""The Python that Snakemake starts scripts with, called in a way that every path survives."""

import os
import shlex
import sys
from pathlib import Path


def call_python_by_its_name() -> None:
    """Let this process name its Python without a folder where the folder has blanks or quotes.

    Snakemake 9 writes `sys.executable` into shell commands as it is, so a blank in it ends every job. Its folder is
    put first in PATH, which jobs get from this process, and there the shell finds the same Python.
    """
    if shlex.quote(sys.executable) != sys.executable:
        python = Path(sys.executable)
        os.environ["PATH"] = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
        sys.executable = python.name
