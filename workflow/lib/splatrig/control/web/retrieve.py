"""Retrieve what the web head is drawn with: pinned archives of the npm registry, checked, no node needed.

Chosen: three.js + Spark, both MIT. Spark asks a function in GLSL for every Gaussian, so the K components are blended on
the GPU in the pass in which a Gaussian is read, moved ones are sorted again by depths read back from the GPU, and
its worker and WASM are part of the script: it runs from file://, under a policy that forbids every connection.
Compared: @mkkellogg/gaussian-splats-3d 0.4.7 draws scenes that stand still, sorts by centres that the CPU knows, and
has spherical harmonics to degree 2; gsplat.js 1.2.9 packs Gaussians on the CPU and uploads all of them again when one
moves; a renderer of our own would need nothing, but its upkeep.
"""

import base64
import hashlib
import io
import json
import logging
import os
import tarfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path

REGISTRY = "https://registry.npmjs.org"
"""Another one is taken from the environment variable NPM_CONFIG_REGISTRY."""

TIMEOUT_S = 60

MEMBERS = {
    "three": ("build/three.module.js", "build/three.core.js", "examples/jsm/controls/OrbitControls.js",
              "examples/jsm/postprocessing/Pass.js", "LICENSE"),
    "@sparkjsdev/spark": ("dist/spark.module.min.js", "LICENSE"),
    "fflate": ("LICENSE",),
}  # fmt: skip
"""What is kept of each package; fflate is part of Spark's script, so only its licence is wanted."""

_EPOCH = (1980, 1, 1, 0, 0, 0)

logger = logging.getLogger(__name__)


def retrieve_renderer(lock: str | Path, path: str | Path) -> None:
    """Fetch the packages that `lock` (package-lock.json) pins and write what is kept of them to `path` (zip).

    Raises InputError in one sentence when an archive cannot be had or is not the pinned one; nothing is written then.
    """
    kept: dict[str, bytes] = {}
    for name, (version, integrity) in read_lock(lock).items():
        archive = fetch(name, version)
        check(name, version, archive, integrity)
        kept |= {f"{name}/{member}": data for member, data in extract(name, archive).items()}
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in sorted(kept.items()):
            bundle.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)


def read_lock(lock: str | Path) -> dict[str, tuple[str, str]]:
    """Return (version, integrity) of each package of `MEMBERS`; raise InputError naming the file and the package."""
    try:
        packages = json.loads(Path(lock).read_text(encoding="utf-8"))["packages"]
        pins = {name: packages[f"node_modules/{name}"] for name in MEMBERS}
        return {name: (str(pin["version"]), str(pin["integrity"])) for name, pin in pins.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{lock}: expected version and integrity of {', '.join(MEMBERS)}; {error!r}.") from error


def fetch(name: str, version: str) -> bytes:
    """Return the archive of one version of a package from the registry."""
    registry = os.environ.get("NPM_CONFIG_REGISTRY", REGISTRY).rstrip("/")
    url = f"{registry}/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
    logger.info("fetching %s", url)
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            data: bytes = response.read()
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise InputError(
            f"The web head: {url} cannot be fetched ({error}); it is needed once, so connect to the registry (or set "
            "NPM_CONFIG_REGISTRY to a mirror) and run again."
        ) from error
    return data


def check(name: str, version: str, archive: bytes, integrity: str) -> None:
    """Raise InputError unless `archive` has the pinned integrity, `sha512-` and a digest in base 64."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != integrity:
        raise InputError(
            f"The web head: {name} {version} has {found}, expected {integrity}; what the registry sent is not the "
            "pinned archive, so nothing of it is used: check the registry and run again."
        )


def extract(name: str, archive: bytes) -> dict[str, bytes]:
    """Return the kept members of a package's archive by their path in the package."""
    kept = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in MEMBERS[name]:
            stream = tar.extractfile(f"package/{member}")
            if stream is None:
                raise InputError(f"The web head: {name} has no file {member}; the pins and MEMBERS disagree.")
            kept[member] = stream.read()
    return kept
