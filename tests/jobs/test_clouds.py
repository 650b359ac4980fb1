import sys
from types import SimpleNamespace

import pytest

from splatrig.jobs.clouds import look_again_for_folders, retry_failed_pods


@pytest.fixture
def stored(monkeypatch):
    """A key of S3 whose plugin has said once that it is no folder."""

    class StorageObject:
        def __init__(self):
            self.keys = []
            self._is_dir = False

        def get_subkeys(self):
            return iter(self.keys)

        def is_dir(self):
            return self._is_dir

    monkeypatch.setitem(sys.modules, "snakemake_storage_plugin_s3", SimpleNamespace(StorageObject=StorageObject))
    return StorageObject()


def test_a_folder_is_one_as_long_as_there_are_files_in_it(stored):
    look_again_for_folders("s3")
    assert not stored.is_dir()
    stored.keys = ["images/000001.png"]
    assert stored.is_dir()
    stored.keys = []
    assert not stored.is_dir()


@pytest.mark.parametrize("storage", [None, "gcs"])
def test_other_storage_is_left_as_it_is(stored, storage):
    look_again_for_folders(storage)
    stored.keys = ["images/000001.png"]
    assert not stored.is_dir()


@pytest.mark.parametrize(("executor", "passed_on"), [("kubernetes", {}), ("slurm", {"previous": True})])
def test_the_log_of_a_pod_is_read_though_it_was_never_restarted(monkeypatch, executor, passed_on):
    class CoreV1Api:
        def read_namespaced_pod_log(self, **asked):
            return asked

    monkeypatch.setitem(sys.modules, "kubernetes", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "kubernetes.client", SimpleNamespace(CoreV1Api=CoreV1Api))
    retry_failed_pods(executor)
    said = CoreV1Api().read_namespaced_pod_log(name="pod", namespace="default", previous=True)
    assert said == {"name": "pod", "namespace": "default"} | passed_on
