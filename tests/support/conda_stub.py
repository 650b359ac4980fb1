"""A `conda` for tests: real environments, solved and linked by py-rattler, of packages that are empty.

Each package that an environment pins exists in a local channel with exactly that version, so a pin that two
environments spell differently, or one that cannot be solved, fails as it would with conda. The package `python` is a
script that notes which environment it runs in and hands on to this interpreter, which has the real packages. What an
environment has from pip is left out.
"""

import asyncio
import hashlib
import io
import json
import os
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

INSTALL = "pip install py-rattler==0.28.0"
_PYTHON = """#!/bin/sh
echo "$(dirname "$(dirname "$(readlink -f "$0")")") $*" >> {record}
exec {python} "$@"
"""


def missing() -> str | None:
    """Return why the stub cannot be made here, with the line that mends it, or None when it can."""
    try:
        import rattler  # noqa: F401
    except ImportError:
        return f"no py-rattler; install with: {INSTALL}"
    return None


def install(folder: Path, environments: list[Path]) -> Path:
    """Make a channel for the environments and a `conda` in `folder`; return its `bin`, to be first on the PATH.

    The file `record` of the folder gets a line whenever an environment's python is called: prefix and arguments.
    """
    from rattler.index import index_fs

    channel = folder / "channel"
    (channel / "noarch").mkdir(parents=True)
    (channel / "linux-64").mkdir()
    python = _PYTHON.format(record=folder / "record", python=sys.executable)
    pins = {pin for path in environments for pin in _pins(yaml.safe_load(path.read_text()))}
    for pin in sorted(pins):
        name, pinned = pin.split("=")
        if name == "python":
            _package(channel, name, f"{pinned}.0", {"bin/python": python})
        else:
            _package(channel, name, pinned, {f"share/stub/{name}": pinned})
    with ThreadPoolExecutor(1) as elsewhere:  # a browser of other tests may have a loop running in this thread
        elsewhere.submit(asyncio.run, index_fs(channel)).result()
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    command = bin_folder / "conda"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).resolve()} {folder} "$@"\n')
    command.chmod(0o755)
    (bin_folder / "activate").write_text('export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n')
    return bin_folder


def _pins(environment: dict[str, list]) -> list[str]:
    """Return what conda is to install."""
    return [pin for pin in environment["dependencies"] if isinstance(pin, str)]


def _package(channel: Path, name: str, version: str, files: dict[str, str]) -> None:
    """Write one package of text files for any platform."""
    index = {
        "name": name,
        "version": version,
        "build": "0",
        "build_number": 0,
        "depends": [],
        "subdir": "noarch",
        "noarch": "generic",
        "timestamp": 1_700_000_000_000,
    }
    paths = [
        {
            "_path": path,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "size_in_bytes": len(text.encode()),
        }
        for path, text in files.items()
    ]
    about = {
        "info/index.json": json.dumps(index),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
        "info/files": "\n".join(files),
    }
    with tarfile.open(channel / "noarch" / f"{name}-{version}-0.tar.bz2", "w:bz2") as archive:
        for path, text in {**files, **about}.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(text.encode()), 0o755 if path.startswith("bin/") else 0o644
            archive.addfile(member, io.BytesIO(text.encode()))


async def _create(folder: Path, specification: str, prefix: str) -> None:
    import rattler

    wanted = yaml.safe_load(Path(specification).read_text())
    if wanted["channels"] != ["conda-forge"]:
        raise SystemExit(f"{specification}: expected the channel conda-forge alone, got {wanted['channels']}")
    channel = rattler.Channel((folder / "channel").resolve().as_uri())
    records = await rattler.solve([channel], _pins(wanted), platforms=["noarch", "linux-64"])
    await rattler.install(records, prefix, show_progress=False, cache_dir=str(folder / "packages"))


def main() -> None:
    """Answer what Snakemake asks of conda."""
    folder, arguments = Path(sys.argv[1]), sys.argv[2:]
    if arguments[:1] == ["info"]:
        sys.stdout.write(
            json.dumps({"conda_prefix": str(folder), "platform": "linux-64", "conda_version": "25.1.0"}) + "\n"
        )
    elif arguments == ["--version"]:
        sys.stdout.write("conda 25.1.0\n")
    elif arguments[:2] == ["config", "--get"]:
        sys.stdout.write(json.dumps({"get": {"channel_priority": "strict"}}) + "\n")
    elif arguments[:2] == ["env", "create"]:
        names = ("--file", "--prefix")
        asyncio.run(_create(folder, *(arguments[arguments.index(name) + 1] for name in names)))
        sys.stdout.flush()
        os._exit(0)  # rattler's threads do not end by themselves
    elif arguments[:1] != ["clean"]:
        sys.exit(f"the stub of conda does not know: {' '.join(arguments)}")


if __name__ == "__main__":
    main()
