"""Retrieve the web head's renderer and runtime of networks: pinned archives of the npm registry, verified.

Renderer: three.js + Spark, both MIT. Spark calls a GLSL function for every Gaussian, so the K components are blended on
the GPU in the pass in which a Gaussian is read. Moved Gaussians are sorted again by depths read back from the GPU. Its
worker and WASM are part of the script, so it runs from file://, under a policy that forbids every connection.

Alternatives: @mkkellogg/gaussian-splats-3d 0.4.7 renders static scenes, sorts by centers that the CPU knows, and has
spherical harmonics to degree 2. gsplat.js 1.2.9 packs Gaussians on the CPU and uploads all of them again when one
moves. A renderer of our own would need no package, but upkeep.

Runtime: LiteRT.js, Apache-2.0, the successor of TensorFlow Lite's own package (@tensorflow/tfjs-tflite, an alpha of
2021). It reads the retrieved networks unchanged, and was measured to be equally fast in one thread without relaxed
SIMD, so the build that runs in all browsers is used. onnxruntime-web would need converted networks. Neither needs node.
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
from collections.abc import Iterable, Mapping
from pathlib import Path

from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path

REGISTRY = "https://registry.npmjs.org"
"""Default registry; the environment variable NPM_CONFIG_REGISTRY overrides it."""

TIMEOUT_S = 60

RENDERER = {
    "three": ("build/three.module.js", "build/three.core.js", "examples/jsm/controls/OrbitControls.js",
              "examples/jsm/postprocessing/Pass.js", "LICENSE"),
    "@sparkjsdev/spark": ("dist/spark.module.min.js", "LICENSE"),
    "fflate": ("LICENSE",),
}  # fmt: skip
"""Files that are kept of each package; fflate is part of Spark's script, so only its license is needed."""

RUNTIME = {
    "@litertjs/core": ("dist/index.js", "wasm/litert_wasm_compat_internal.js", "wasm/litert_wasm_compat_internal.wasm"),
    "@litertjs/wasm-utils": ("dist/index.js",),
}
"""Files that are kept of each package; they contain no license text, and their license is Apache-2.0."""

_EPOCH = (1980, 1, 1, 0, 0, 0)

logger = logging.getLogger(__name__)


def retrieve_packages(lock: str | Path, members: Mapping[str, tuple[str, ...]], path: str | Path) -> None:
    """Fetch packages as pinned by `lock` (package-lock.json) and write `members` by package to `path` (zip).

    Raises InputError, and writes nothing, if an archive is not available or is not the pinned one.
    """
    kept: dict[str, bytes] = {}
    for name, (version, integrity) in read_lock(lock, members).items():
        archive = fetch(name, version)
        check(name, version, archive, integrity)
        kept |= {f"{name}/{member}": data for member, data in extract(name, archive, members[name]).items()}
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in sorted(kept.items()):
            bundle.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)


def read_lock(lock: str | Path, names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return (version, integrity) of packages; raise InputError naming the file and the package."""
    try:
        packages = json.loads(Path(lock).read_text(encoding="utf-8"))["packages"]
        pins = {name: packages[f"node_modules/{name}"] for name in names}
        return {name: (str(pin["version"]), str(pin["integrity"])) for name, pin in pins.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{lock}: expected version and integrity of {', '.join(names)}, got {error!r}; restore the file."
        ) from error


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
            f"The web head: {url} cannot be fetched ({error}); it is needed only once, so connect to the registry (or "
            "set NPM_CONFIG_REGISTRY to a mirror) and run again."
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


def extract(name: str, archive: bytes, members: Iterable[str]) -> dict[str, bytes]:
    """Return the kept members of a package's archive by their path in the package."""
    kept = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in members:
            stream = tar.extractfile(f"package/{member}")
            if stream is None:
                raise InputError(
                    f"The web head: {name} expected the file {member}, got none; "
                    "the pinned version does not match the list of files."
                )
            kept[member] = stream.read()
    return kept
