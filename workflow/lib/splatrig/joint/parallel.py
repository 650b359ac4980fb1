"""Several processes on one fit: each renders its share of a step's pairs, then gradients are averaged."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor


@dataclass(frozen=True)
class World:
    """One process among those that fit together; alone it needs no torch.distributed."""

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> "World":
        """Return the initialised process group as a world, or one process."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return cls(torch.distributed.get_rank(), torch.distributed.get_world_size())
        return cls()

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their means over all processes, in place, in one message."""
        self._reduce(tensors, 1.0 / self.size)

    def total(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their sums over all processes, in place, in one message."""
        self._reduce(tensors, 1.0)

    def _reduce(self, tensors: Sequence[Tensor], factor: float) -> None:
        if self.size == 1 or not tensors:
            return
        joined = torch.cat([tensor.reshape(-1) for tensor in tensors])
        torch.distributed.all_reduce(joined)
        joined *= factor
        first = 0
        for tensor in tensors:
            tensor.copy_(joined[first : first + tensor.numel()].reshape(tensor.shape))
            first += tensor.numel()
