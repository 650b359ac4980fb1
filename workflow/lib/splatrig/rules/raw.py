"""Files of a raw capture as inputs of rules, in the raw layout or in another format that stands for it."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from splatrig.io.files import as_paths, sha256_of_value
from splatrig.jobs.provenance import Digests

StandsFor = Mapping[str, Sequence[str] | Mapping[str, str]]
"""By name in the raw layout the files that stand for it, of some names by segment."""


def from_here(path: str | Path) -> str:
    """Return a path relative to the working directory where that is above it: the same name on every machine."""
    return str(path).removeprefix(f"{Path.cwd()}/")


def raw_names(stands_for: StandsFor, name: str, expression: str | None) -> list[str]:
    """Return what stands for a file or folder of the raw layout, of all segments or of one."""
    found = stands_for.get(name)
    if isinstance(found, Mapping):
        return [found[expression]] if expression else list(found.values())
    return list(found or [name if expression is None else f"{name}/{expression}"])


def state_of_inputs(
    inputs: Iterable[Any], root: str | Path, stands_for: StandsFor, digests: Digests
) -> Callable[[Any], str | None]:
    """Return a param of a rule: by a job's wildcards, the state of the user's files among its inputs.

    The time of a folder does not tell whether a file in it was replaced. Snakemake compares no param that is made of
    a job's inputs, so they are looked up again. The user's files are below `root`, or stand for the raw layout.
    """
    others = [path for made in stands_for.values() for path in (made.values() if isinstance(made, Mapping) else made)]
    places = [root, *(path for path in others if Path(path).is_absolute())]
    roots = tuple(f"{os.path.normpath(place)}/" for place in places)

    def state(wildcards: Any) -> str | None:
        found = [item(wildcards) if callable(item) else item.format(**dict(wildcards.items())) for item in inputs]
        paths = [os.path.normpath(path) for item in found for path in as_paths(item)]
        yours = [from_here(path) for path in paths if f"{path}/".startswith(roots)]
        return sha256_of_value([digests.state(path) for path in yours]) if yours else None

    return state
