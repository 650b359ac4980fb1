"""As much of a Kubernetes API as the executor asks for: pods are processes in empty folders of this machine."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml


@dataclass
class Cluster:
    """What was asked of the API, and the pods that run."""

    folder: Path
    hidden: Path
    """A folder that pods do not see, as they are on other machines."""
    ends_badly: Mapping[str, int] = field(default_factory=dict)
    """How many pods of a rule are killed before they begin, by its name in a pod's command."""
    jobs: list[dict[str, Any]] = field(default_factory=list)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    pods: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The variable by which the executor finds the API."""
        return {"KUBECONFIG": str(self.folder / "kubeconfig")}

    def start(self, job: dict[str, Any]) -> None:
        """Run the container of a job, with nothing of this process's environment but where Python is."""
        self.jobs.append(job)
        name = job["metadata"]["name"]
        container = job["spec"]["template"]["spec"]["containers"][0]
        workdir = self.folder / name
        workdir.mkdir()
        environment = {
            "PATH": f"{self.folder / 'image'}:{Path(sys.executable).parent}:{os.defpath}",
            "HOME": str(workdir),
        }
        for variable in container["env"]:
            secret = variable["valueFrom"]["secretKeyRef"]
            value = self.secrets[secret["name"]][secret["key"]]
            environment[variable["name"]] = base64.b64decode(value).decode()
        command = [*container["command"], *container["args"]]
        rule = next((rule for rule in self.ends_badly if f" {rule} " in container["args"][-1]), None)
        if rule and sum(f" {rule} " in _command(other) for other in self.jobs) <= self.ends_badly[rule]:
            command = ["/bin/sh", "-c", "kill -KILL $$"]
        inside = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(self.hidden), *command]
        with (workdir / "pod.log").open("wb") as log:
            self.pods[name] = subprocess.Popen(inside, cwd=workdir, env=environment, stdout=log, stderr=log)

    def code(self, name: str) -> int | None:
        """Return the exit code of a pod, as a shell tells it; None while it runs."""
        code = self.pods[name].poll()
        return code if code is None or code >= 0 else 128 - code


def _command(job: Mapping[str, Any]) -> str:
    return str(job["spec"]["template"]["spec"]["containers"][0]["args"][-1])


@contextmanager
def one_cluster(folder: Path, hidden: Path, ends_badly: Mapping[str, int] | None = None) -> Iterator[Cluster]:
    """Yield a cluster whose image has this Python and what it has installed; needs root, to hide a folder."""
    cluster = Cluster(folder, hidden, ends_badly or {})
    image = folder / "image"
    image.mkdir(parents=True)
    (image / "pip").write_text("#!/bin/sh\n")  # the image has the storage plugin that pods would install
    (image / "pip").chmod(0o755)
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        for pod in cluster.pods.values():
            pod.kill()
            pod.wait()


class _Handler(BaseHTTPRequestHandler):
    """Secrets, jobs, pods and logs of one namespace."""

    cluster: Cluster

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind = self._path()[-1]
        if kind == "secrets":
            self.cluster.secrets[body["metadata"]["name"]] = body["data"]
        elif kind == "jobs":
            self.cluster.start(body)
        self._answer(body, 201)

    def do_GET(self) -> None:
        path, query = self._path(), parse_qs(urlsplit(self.path).query)
        if path[-1] == "status":
            code = self.cluster.code(path[-2])
            count = "active" if code is None else "failed" if code else "succeeded"
            self._answer({"metadata": {"name": path[-2]}, "status": {count: 1}})
        elif path[-1] == "log":
            if (
                query.get("previous", ["false"])[0].lower() == "true"
            ):  # of a container that was started again, which none is
                words = f'previous terminated container "snakemake" in pod "{path[-2]}" not found'
                self._answer({"kind": "Status", "status": "Failure", "message": words, "code": 400}, 400)
            else:
                self._answer((self.cluster.folder / path[-2] / "pod.log").read_text())
        else:
            name = query["labelSelector"][0].removeprefix("job-name=")
            code = self.cluster.code(name)
            state = {"running": {}} if code is None else {"terminated": {"exitCode": code}}
            said = {"name": "snakemake", "image": "", "imageID": "", "ready": False, "restartCount": 0, "state": state}
            self._answer({"items": [{"metadata": {"name": name}, "status": {"containerStatuses": [said]}}]})

    def do_DELETE(self) -> None:
        self._answer({"kind": "Status", "status": "Success"})

    def _path(self) -> list[str]:
        return urlsplit(self.path).path.strip("/").split("/")

    def _answer(self, content: object, code: int = 200) -> None:
        text = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
