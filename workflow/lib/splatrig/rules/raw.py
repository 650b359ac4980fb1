"""Files of a raw capture as inputs of rules, in the raw layout or in another format that replaces it."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snakemake.io import ancient, local

from splatrig.capture.formats import READ_IN_PLACE
from splatrig.io.files import as_paths, sha256_of_value
from splatrig.jobs.provenance import Digests
from splatrig.rules.layout import Layout, Wildcards

StandsFor = Mapping[str, Sequence[str] | Mapping[str, str]]
"""Files that replace those of the raw layout, by their name there; for some names by segment."""

IN_FOLDERS = ("images", "labels", "masks", "plates", "tracked_mesh")
"""Names in the raw layout that stand for many files."""


def from_here(path: str | Path, bucket: str | None = None) -> str:
    """Return a path relative to the working directory, or to the bucket, where that is above it.

    So a file has the same name on every machine.
    """
    stored = getattr(path, "storage_object", None) if bucket and getattr(path, "is_storage", False) else None
    if stored is not None:
        return str(stored.query).removeprefix(f"{str(bucket).rstrip('/')}/")
    return str(path).removeprefix(f"{Path.cwd()}/")


@dataclass(frozen=True)
class RawCapture:
    """The raw capture of a run; a file of workflow/rules/sources makes it."""

    layout: Layout
    extras: Sequence[str] = ()
    """Those of `frame_list.txt`, `tex_mean.png`, `labels` and `plates` that exist, or that rules make."""
    optional: Sequence[str] = ()
    """Those of them that count as `extras` if they exist before the run."""
    stands_for: StandsFor = field(default_factory=dict)
    """Files that replace those of the raw layout, for a source in another format."""
    notice: str = ""
    """Notice that the license of the data requires next to a head."""

    @property
    def in_place(self) -> bool:
        """Whether the files are the user's, and no rule makes them."""
        capture = self.layout.config.capture
        return capture.source in READ_IN_PLACE and capture.entity is None

    def has(self, name: str) -> bool:
        """Return whether an optional file of the raw layout, or its replacement, exists."""
        there = name in self.optional and all(path.exists() for path in as_paths(self.file(name)))
        return name in self.extras or there

    def file(self, name: str, expression: str | None = None) -> Any:
        """Return a file or folder of the raw layout, or its replacement in another format, as an input."""
        found = self.stands_for.get(name)
        if isinstance(found, Mapping):
            if expression == "{expression}":
                return lambda wildcards: self.file(name, wildcards.expression)
            names: Sequence[str] = [found[expression]] if expression else list(found.values())
        else:
            names = found or [name if expression is None else f"{name}/{expression}"]
        paths = [path if Path(path).is_absolute() else self.layout.capture(path) for path in names]
        if self.in_place:
            paths = [local(ancient(path) if name in IN_FOLDERS else path) for path in paths]
        return paths if name in self.stands_for else paths[0]

    @property
    def calibration(self) -> str:
        """Path of the calibration, or of the first file that replaces it."""
        return str(as_paths(self.file("KRT"))[0])

    def of_all(self, name: str) -> list[str]:
        """Return the folder of every expression in the raw layout, or their replacements."""
        whole = self.file(name) if name in self.stands_for else None
        return whole or [self.file(name, expression) for expression in self.layout.expressions]

    def extra(self, name: str) -> Any:
        """Return an optional file as an input: no file if there is none."""
        return self.file(name) if self.has(name) else []

    def masks(self) -> Any:
        """Return the masks of an expression if mattes come from them."""
        return self.file("masks", "{expression}") if self.layout.config.capture.background == "masks" else []

    def labels(self) -> dict[str, Any]:
        """Return the labels of the photographs, and what tells their sizes and lenses, as inputs.

        A user's folder may have those of only some expressions.
        """
        paths = self.of_all("labels") if self.has("labels") else []
        there = [path for path in paths if self.layout.config.capture.source != "local" or Path(path).is_dir()]
        return {"labels": there, **({"krt": self.file("KRT"), "images": self.of_all("images")} if there else {})}

    def for_plates(self, paths: Any) -> Any:
        """Return the files from which plates are computed, as an input if the capture has no plates."""
        return [] if self.has("plates") else paths

    def state(self, inputs: Iterable[Any], digests: Digests) -> Callable[[Wildcards], str | None]:
        """Return a param of a rule: by a job's wildcards, the state of the user's files among the rule's inputs.

        The time of a folder does not tell whether a file in it was replaced. Snakemake compares no param that is made
        of a job's inputs, so they are looked up again.
        """
        made = self.stands_for.values()
        others = [path for paths in made for path in (paths.values() if isinstance(paths, Mapping) else paths)]
        places = [str(self.layout.config.capture.root), *(path for path in others if Path(path).is_absolute())]
        roots = tuple(f"{os.path.normpath(place)}/" for place in places)

        def state(wildcards: Wildcards) -> str | None:
            here = [item for item in inputs if not getattr(item, "is_storage", False)]
            found = [item(wildcards) if callable(item) else item.format(**dict(wildcards.items())) for item in here]
            paths = [os.path.normpath(path) for item in found for path in as_paths(item)]
            yours = [from_here(path) for path in paths if f"{path}/".startswith(roots)]
            return sha256_of_value([digests.state(path) for path in yours]) if yours else None

        return state
