"""Resources that jobs ask of the machine or cluster: GPUs, memory, cores."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from splatrig.config.models import Config
from splatrig.io.errors import InputError
from splatrig.jobs.device_kind import driver_is_here, kind_of


def memory(mib: int) -> Callable[[Any, int], int]:
    """Return the memory of the first attempt; each retry gets as much more, since jobs usually run out of it."""
    return lambda _wildcards, attempt: attempt * mib


@dataclass(frozen=True)
class Machine:
    """Machine, or cluster, as far as one call of Snakemake may use it."""

    config: Config
    limits: dict[str, Any]
    """Snakemake's global resources by name; `_cores` is None on a cluster."""

    def gpu(self, count: int = 1) -> int:
        """Return the number of GPUs that a rule requests that can use `count`."""
        return count if kind_of(self.config.device, driver_is_here) == "cuda" else 0

    def threads_of_large(self, count: int) -> int:
        """Return the threads of a job that can use `count` of them at full size; the demo's jobs run concurrently."""
        return 1 if self.config.capture.source == "demo" else count

    def fit_threads(self, cpu: int) -> int:
        """Return cores of a fit: on the CPU `cpu`; on a GPU, for decoding photographs, its part of the call's cores."""
        if not self.gpu():
            return cpu
        if "gpu" not in self.limits or self.limits["_cores"] is None:  # a cluster's job, which has its cores to itself
            return 8
        return max(2, min(16, self.limits["_cores"] // max(1, self.limits["gpu"])))

    def check_gpus(self) -> None:
        """Raise InputError if learned rigs need more GPUs than jobs may use, which would otherwise go unnoticed."""
        limit, wanted = self.limits.get("gpu"), self.gpu(self.config.learned.devices)
        if limit is not None and limit < wanted:
            raise InputError(
                f"learned.devices: got {wanted}, but jobs of this run may use {limit} GPUs at a time; say so by "
                f"--resources gpu={wanted} (or more), or lower learned.devices."
            )
