"""Faults of Snakemake's plugins for clouds that would end a run, mended where the run begins."""

from importlib import import_module
from typing import Any


def look_again_for_folders(storage: str | None) -> None:
    """Let the storage plugin `s3` see folders that jobs on other machines make; other plugins stay as they are.

    Version 0.3.6 asks once whether a key is a folder and keeps the answer, which may be of before the job, or of before
    the folder was removed.
    """
    if storage != "s3":
        return

    def is_dir(stored: Any) -> bool:
        return any(stored.get_subkeys())

    import_module("snakemake_storage_plugin_s3").StorageObject.is_dir = is_dir


def retry_failed_pods(executor: str) -> None:
    """Let the executor `kubernetes` read the log of a pod that failed; other executors stay as they are.

    Version 0.5.1 asks for the log of the container before a restart. Its containers are never restarted, so the API
    has none, and its refusal ends the run in place of a retry.
    """
    if executor != "kubernetes":
        return
    api = import_module("kubernetes.client").CoreV1Api
    read = api.read_namespaced_pod_log

    def read_of_only_container(self: Any, *, previous: bool = False, **asked: Any) -> Any:  # noqa: ARG001
        return read(self, **asked)

    api.read_namespaced_pod_log = read_of_only_container
