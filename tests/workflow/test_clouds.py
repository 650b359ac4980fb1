"""A run in a bucket has the bytes of a local one; pods and virtual machines get what their rules need, and no more.

No cloud is asked: moto answers for S3, and `support.fake_kubernetes` and `support.fake_google_batch` take the jobs that
the executors submit, and run them in empty folders of this machine, from which the project cannot be seen.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.fake_kubernetes import one_cluster
from support.local_bucket import missing, one_bucket
from support.warm_snakemake import call_snakemake

EXECUTORS = ("kubernetes", "kubernetes_validate", "snakemake_executor_plugin_kubernetes")
BATCH = ("google.cloud.batch_v1", "snakemake_executor_plugin_googlebatch", "snakemake_storage_plugin_gcs")
pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(missing(*EXECUTORS, *BATCH) is not None, reason=str(missing(*EXECUTORS, *BATCH))),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may hide a folder from a process"),
]

ROOT = Path(__file__).resolve().parents[2]
NEUTRAL = "results/tiny/gaussians/neutral.h5"
ALONE = ["--allowed-rules", "fit_neutral"]
"""Not what it reads, however times of files in a bucket follow one another."""
SOON = ["--jobs", "2", "--seconds-between-status-checks", "1"]


@pytest.fixture
def bucket(tmp_path):
    with one_bucket(tmp_path / "bucket") as made:
        yield made


@pytest.fixture
def project(copy_project, tmp_path):
    """A copy whose sources git knows, from which Snakemake takes what travels with a job."""
    made = copy_project(tmp_path / "project")
    for words in ("init -q", "add Snakefile config.yaml workflow envs profiles tiny.yaml resources/[!r]*"):
        subprocess.run(f"git {words}", cwd=made.directory, shell=True, check=True)
    return made


def _differences(reference, other):
    spec = importlib.util.spec_from_file_location("faults", ROOT / "benchmarks" / "workflow" / "faults.py")
    faults = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(ROOT / "benchmarks" / "workflow"))
    try:
        spec.loader.exec_module(faults)
    finally:
        sys.path.pop(0)
    return faults.differences(reference, other)


def test_a_run_in_a_bucket_equals_a_local_run(finished, copy_project, bucket, tmp_path):
    project = copy_project(tmp_path / "project", finished.cache)
    bucket.put(project.directory, "resources/retrieved")
    shutil.rmtree(project.directory / "resources" / "retrieved")
    words = ["--configfile", "tiny.yaml", "--cores", "2", *bucket.options]
    done = call_snakemake(words, project.directory, project.environment | bucket.environment)
    assert done.returncode == 0, done.stderr[-5000:]
    here = [path.name for path in project.results.rglob("*") if path.is_file()]
    assert here == ["provenance.json"], "all else is in the bucket"
    bucket.get("results/tiny", tmp_path / "stored")
    assert _differences(finished.results, tmp_path / "stored") == []
    described = json.loads((project.results / "provenance.json").read_text())["jobs"]
    assert described.keys() == json.loads((finished.results / "provenance.json").read_text())["jobs"].keys()
    timed = [path.read_text().splitlines() for path in _runtimes(tmp_path / "stored", finished.results)]
    assert len(timed[0]) == len(timed[1]) > 5, "run times are read from tables in the bucket"
    again = call_snakemake(["--dry-run", *words], project.directory, project.environment | bucket.environment)
    assert "Nothing to be done" in again.stdout + again.stderr, again.stdout[-3000:]


def _runtimes(*folders):
    return [folder / "evaluation" / "runtimes.csv" for folder in folders]


def test_a_capture_of_yours_is_read_where_it_is_and_a_failed_job_ends_with_words_from_the_bucket(
    finished, copy_project, bucket, tmp_path
):
    project = copy_project(tmp_path / "project")
    capture = shutil.copytree(finished.directory / "resources" / "captures" / "tiny", tmp_path / "mine")
    segments = sorted(path.name for path in (capture / "images").iterdir())
    mine = {"source": "local", "root": str(capture), "expressions": segments, "frames_per_expression": 2}
    named = {"preset": "local", "subject": "mine", "neutral": segments[0], "device": "cpu", "components": {"k": 3}}
    (project.directory / "mine.yaml").write_text(yaml.safe_dump(named | {"capture": mine}))
    words = ["results/mine/dataset/cameras.json", "--configfile", "mine.yaml", "--cores", "1", *bucket.options]
    done = call_snakemake(words, project.directory, project.environment | bucket.environment)
    assert done.returncode == 0, done.stderr[-5000:]
    assert "results/mine/dataset/cameras.json" in bucket.names()
    assert not any(key.startswith("results/mine/capture") or "images" in key for key in bucket.names())
    for photograph in (capture / "images").rglob("*.png"):
        photograph.write_bytes(b"nothing")
    done = call_snakemake(words, project.directory, project.environment | bucket.environment)
    assert done.returncode != 0
    last = done.stderr.partition("Logfile s3://")[2]
    assert "error:" in last and ".png" in last, done.stderr[-3000:]


def _on_kubernetes(project, bucket, cluster, *words):
    """Run with the profile as it is, but for the bucket and the time between two looks."""
    options = ["--workflow-profile", "profiles/kubernetes", *bucket.options, *SOON, *words]
    run = project.start(*options, **bucket.environment, **cluster.environment)
    return run.communicate(timeout=600)[0], run.returncode


def test_pods_compute_what_a_local_run_does_and_one_that_is_killed_is_retried(finished, project, bucket, tmp_path):
    bucket.put(project.directory, "resources/retrieved")
    with one_cluster(tmp_path / "cluster", project.directory, {"set_up_demo": 1}) as cluster:
        target = "results/tiny/dataset/cameras.json"
        output, code = _on_kubernetes(project, bucket, cluster, target, "--config", "device=cpu")
    assert code == 0, output[-5000:]
    for name in ("cameras.json", "calibration.json"):
        assert bucket.read(f"results/tiny/dataset/{name}") == (finished.results / "dataset" / name).read_bytes()
    assert output.count("Trying to restart job") == 1
    memory = [_container(job)["resources"]["limits"]["memory"] for job in cluster.jobs]
    assert memory == ["3000M", "6000M", "1500M", "2000M", "2000M"], "the killed pod gets as much again"


def test_a_pod_that_fits_asks_for_one_gpu_in_an_object_of_the_schema(finished, project, bucket, tmp_path):
    validator = pytest.importorskip("kubernetes_validate")
    _put_all_but_the_neutral(finished, bucket)
    with one_cluster(tmp_path / "cluster", project.directory, {"fit_neutral": 3}) as cluster:
        output, code = _on_kubernetes(project, bucket, cluster, NEUTRAL, *ALONE)
    assert code != 0, "all attempts were killed"
    assert len(cluster.jobs) == 3, output[-5000:]
    profile = yaml.safe_load((ROOT / "profiles" / "kubernetes" / "config.yaml").read_text())
    for attempt, job in enumerate(cluster.jobs, 1):
        validator.validate({"apiVersion": "batch/v1", "kind": "Job", **job}, "1.32", strict=True)
        pod, container = job["spec"]["template"]["spec"], _container(job)
        assert container["image"] == profile["container-image"]
        asked = container["resources"]
        assert asked["limits"]["memory"] == asked["requests"]["memory"] == f"{3000 * attempt}M"
        assert asked["limits"]["nvidia.com/gpu"] == asked["requests"]["nvidia.com/gpu"] == "1"
        assert [toleration["key"] for toleration in pod["tolerations"]] == ["nvidia.com/gpu"]
        assert pod["restartPolicy"] == "Never" and job["spec"]["backoffLimit"] == 0, "retries are Snakemake's"


def _container(job):
    return job["spec"]["template"]["spec"]["containers"][0]


def _put_all_but_the_neutral(finished, bucket):
    for folder in ("resources/retrieved", "resources/captures", "results", "logs"):
        bucket.put(finished.directory, folder)
    bucket.client.delete_object(Bucket=bucket.name, Key=f"run/{NEUTRAL}")


def _on_google_batch(project, bucket, folder, *words):
    """Run with the profile as it is, but for the bucket; return what was said, the exit code and the jobs."""
    command = [sys.executable, "-m", "support.fake_google_batch", str(folder), str(project.directory)]
    options = ["--workflow-profile", "profiles/google-batch", *bucket.options, *SOON, *words]
    environment = project.environment | bucket.environment | {"PYTHONPATH": str(ROOT / "tests")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 600}
    whole = [*command, "--configfile", "tiny.yaml", *options]
    done = subprocess.run(whole, cwd=project.directory, env=environment, **pipes)
    return done.stdout, done.returncode, [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def test_google_batch_runs_a_job_on_a_spot_instance_in_the_image(finished, project, bucket, tmp_path):
    target = "resources/captures/tiny/frame_list.txt"
    output, code, jobs = _on_google_batch(project, bucket, tmp_path / "vms", target, "--config", "device=cpu")
    assert code == 0, output[-5000:]
    assert bucket.read(target) == (finished.directory / target).read_bytes()
    [request] = jobs
    profile = yaml.safe_load((ROOT / "profiles" / "google-batch" / "config.yaml").read_text())
    assert request["parent"] == "projects/my-project/locations/us-central1"
    [group], policy = request["job"]["taskGroups"], request["job"]["allocationPolicy"]["instances"][0]["policy"]
    task = group["taskSpec"]
    [container] = [step["container"] for step in task["runnables"] if "container" in step]
    assert container["imageUri"] == profile["container-image"]
    assert policy["provisioningModel"] == 3, "PREEMPTIBLE, which is SPOT by its older name"
    assert task["maxRetryCount"] == profile["googlebatch-retry-count"] and task["maxRunDuration"] == "86400s"
    assert policy["machineType"] == "e2-standard-4" and policy["accelerators"] == []
    assert policy["bootDisk"]["image"].endswith(profile["googlebatch-image-family"])
    assert int(task["computeResource"]["memoryMib"]) < 16 * 1024


def test_google_batch_fits_on_an_instance_with_a_gpu(finished, project, bucket, tmp_path):
    _put_all_but_the_neutral(finished, bucket)
    once = ["--preemptible-retries", "0"]
    output, code, jobs = _on_google_batch(project, bucket, tmp_path / "vms", NEUTRAL, *ALONE, *once)
    assert code != 0, "there is no GPU here"
    assert len(jobs) == 1, output[-5000:]
    [instance] = jobs[0]["job"]["allocationPolicy"]["instances"]
    assert instance["installGpuDrivers"]
    [accelerator] = instance["policy"]["accelerators"]
    assert (accelerator["type"], accelerator["count"]) == ("nvidia-l4", "1")
    assert instance["policy"]["machineType"] == "g2-standard-12"
    assert "device=cuda" in str(jobs[0]["job"]["taskGroups"]), "the job computes there"
