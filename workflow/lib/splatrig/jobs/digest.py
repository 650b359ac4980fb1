"""Digest of library code by content, so that Snakemake reruns only the rules whose modules were edited."""

import hashlib
import re
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_ROOT = _PACKAGE.parent

WITHOUT_RESULTS = frozenset(
    {
        "splatrig",
        "splatrig.config.choices",
        "splatrig.config.load",
        "splatrig.config.messages",
        "splatrig.config.models",
        "splatrig.config.section",
        "splatrig.jobs.cache",
        "splatrig.jobs.device_kind",
        "splatrig.jobs.kernels",
        "splatrig.jobs.logs",
        "splatrig.jobs.parent_watchdog",
        "splatrig.jobs.progress",
        "splatrig.jobs.provenance",
        "splatrig.jobs.software",
    }
)
"""Modules that change no result, and so rerun nothing: the version is in provenance, values of the configuration reach
a rule through its params, logs and progress bars are for people, the cache passes on finished results, and results of
one kind of device are kept when the next run has another."""


_NAMED = re.compile(
    r"""^[ ]*(?:from|import)[ ](splatrig[\w.]*)(?:[ ]import[ ](\([^)]*\)|[^\n]*))?|["'](splatrig[\w.]*)["']""",
    re.MULTILINE,
)
"""Pattern of an import statement's module and the names that it imports, or of a string that may be a module's name.

Every call of Snakemake reads all modules, and parsing them to syntax trees takes longer than the rest of a dry run.
"""
_FIRST_WORD = re.compile(r"(?:^|[,(])\s*(\w+)")
"""Pattern of a name in a list of imported names, without its alias."""


@cache
def _modules() -> dict[str, Path]:
    """Return every module of the package that can change a result, by dotted name."""
    modules = {}
    for path in sorted(_PACKAGE.rglob("*.py")):
        parts = path.relative_to(_ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name not in WITHOUT_RESULTS:
            modules[name] = path
    return modules


@cache
def _imports(path: Path) -> frozenset[str]:
    """Return the package's modules that a source file names, in any import or as a string (lazy imports)."""
    named = set()
    for module, names, string in _NAMED.findall(path.read_text(encoding="utf-8")):
        named |= {module or string} | {f"{module}.{name}" for name in _FIRST_WORD.findall(names)}
    with_parents = {
        ".".join(parts[:end]) for parts in (name.split(".") for name in named) for end in range(1, len(parts) + 1)
    }
    return frozenset(with_parents & _modules().keys())


def modules_used_by(script: str | Path) -> list[str]:
    """Return, sorted, the package's modules that a script imports, directly and through other modules."""
    pending = set(_imports(Path(script)))
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        seen.add(name)
        pending |= _imports(_modules()[name]) - seen
    return sorted(seen)


def library_digest(script: str | Path) -> str:
    """Return a SHA-256 over the source of every module of the package that `script` uses."""
    digest = hashlib.sha256()
    for name in modules_used_by(script):
        digest.update(name.encode() + b"\0" + _modules()[name].read_bytes() + b"\0")
    return digest.hexdigest()
