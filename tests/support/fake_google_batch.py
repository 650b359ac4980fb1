"""Calls snakemake with a client of Google Batch that writes down each job, and runs it on this machine.

python -m support.fake_google_batch FOLDER HIDDEN WORDS... calls it with these words. Requests are FOLDER/{number}.json;
virtual machines do not see the folder HIDDEN, which needs root.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from google.cloud import batch_v1, logging
from snakemake.cli import main

WORKDIR = "/tmp/workdir"
"""The folder of every virtual machine that its container gets."""


class Client:
    """The calls that the executor makes."""

    def __init__(self, folder: Path, hidden: str) -> None:
        self._folder, self._hidden = folder, hidden
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def create_job(self, request: batch_v1.CreateJobRequest) -> batch_v1.Job:
        """Run the steps of the only task one after another, those of a container with its environment alone."""
        place = self._folder / str(len(self._running))
        place.mkdir()
        place.with_suffix(".json").write_text(batch_v1.CreateJobRequest.to_json(request))
        steps = []
        for number, step in enumerate(request.job.task_groups[0].task_spec.runnables):
            if step.script.text:
                path = place / f"step{number}.sh"
                path.write_text(step.script.text.replace(WORKDIR, str(place)).lstrip())
                steps.append(["bash", str(path)])
            elif step.container.image_uri:
                words = [step.container.entrypoint, *step.container.commands]
                values = [f"{name}={value}" for name, value in step.environment.variables.items()]
                path = f"PATH={self._folder / 'image'}:{Path(sys.executable).parent}:{os.defpath}"
                words = [word.replace(WORKDIR, str(place)) for word in words]
                steps.append(["env", "-i", path, f"HOME={place}", *values, *words])
        name = f"{request.parent}/jobs/{request.job_id}"
        hide = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', self._hidden]
        program = "import subprocess, sys; [subprocess.run(step, check=True) for step in eval(sys.argv[1])]"
        with (place / "task.log").open("wb") as log:
            words = [*hide, sys.executable, "-c", program, repr(steps)]
            self._running[name] = subprocess.Popen(words, cwd=place, stdout=log, stderr=log)
        return batch_v1.Job(name=name, uid=request.job_id)

    def get_job(self, request: batch_v1.GetJobRequest) -> batch_v1.Job:
        """Return how a job is doing."""
        states = batch_v1.JobStatus.State
        code = self._running[request.name].poll()
        state = states.RUNNING if code is None else states.FAILED if code else states.SUCCEEDED
        return batch_v1.Job(name=request.name, status=batch_v1.JobStatus(state=state))


class NoLogs:
    """Cloud Logging, which has nothing to say."""

    def __init__(self, **_: Any) -> None:
        pass

    def logger(self, _: str) -> "NoLogs":
        """Return a log."""
        return self

    def list_entries(self, **_: Any) -> list[Any]:
        """Return its lines."""
        return []


if __name__ == "__main__":
    folder, hidden, *words = sys.argv[1:]
    image = Path(folder, "image")
    image.mkdir(parents=True)
    (image / "pip").write_text("#!/bin/sh\n")  # the image has the storage plugin that a job would install
    (image / "python3").write_text("#!/bin/sh\n")  # whose pip is called when a job has ended
    for program in image.iterdir():
        program.chmod(0o755)
    client = Client(Path(folder), hidden)
    batch_v1.BatchServiceClient = lambda: client
    logging.Client = NoLogs
    main(words)
