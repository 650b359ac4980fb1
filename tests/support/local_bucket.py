"""A bucket of S3 on this machine, for the time of a test: moto's server, and what sends Snakemake there."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

INSTALL = "pip install -e .[clouds,dev-clouds] -c constraints.txt"
START_SECONDS = 60


def missing(*packages: str) -> str | None:
    """Return why there can be no bucket here, with the line that mends it, or None when there can."""
    needed = ("moto", "flask", "boto3", "snakemake_storage_plugin_s3", *packages)
    absent = [name for name in needed if not _is_here(name)]
    return f"{', '.join(absent)} not found; install with: {INSTALL}" if absent else None


def _is_here(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor is a package that it is in
        return False


@dataclass(frozen=True)
class Bucket:
    """A bucket and what is in it."""

    name: str
    client: Any
    environment: dict[str, str]
    """How Snakemake finds it, in the variables of its storage plugin."""

    @property
    def options(self) -> list[str]:
        """The options of Snakemake that put all files of a run into the bucket."""
        prefix = f"s3://{self.name}/run"
        return ["--default-storage-provider", "s3", "--default-storage-prefix", prefix, "--shared-fs-usage", "none"]

    def names(self) -> list[str]:
        """Return the names of all files of the run."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        return sorted(key.removeprefix("run/") for key in keys)

    def read(self, key: str) -> bytes:
        """Return the bytes of a file of the run."""
        return self.client.get_object(Bucket=self.name, Key=f"run/{key}")["Body"].read()

    def put(self, folder: Path, below: str) -> None:
        """Bring the files below a folder of the run into the bucket."""
        for path in sorted((folder / below).rglob("*")):
            if path.is_file():
                self.client.upload_file(str(path), self.name, f"run/{path.relative_to(folder).as_posix()}")

    def get(self, below: str, folder: Path) -> None:
        """Bring what is below a folder of the run into a folder of this machine."""
        for key in self.names():
            if key.startswith(f"{below}/"):
                path = folder / key.removeprefix(f"{below}/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self.read(key))


@contextmanager
def one_bucket(folder: Path) -> Iterator[Bucket]:
    """Yield an empty bucket, on a port that is free; it ends with this process."""
    import boto3

    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "moto.log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with log.open("w") as stream:
        server = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "--", *command], stdout=stream, stderr=stream)
    try:
        url = _address(server, log)
        secrets = {"SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "key", "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "secret"}
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=url, **keys)
        client.create_bucket(Bucket="captures")
        yield Bucket("captures", client, secrets | {"SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": url})
    finally:
        server.terminate()
        server.wait()


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    """Return the address that the server says it listens at, once it does."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        for word in log.read_text().split():
            if word.startswith("http://"):
                return word
        time.sleep(0.1)
    raise RuntimeError(f"no server of S3 came up: {log.read_text()}")
