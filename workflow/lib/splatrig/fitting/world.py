"""Several processes on one fit: each renders its part of a step's frames, then gradients are averaged."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor

from splatrig.io.errors import InputError


@dataclass(frozen=True)
class World:
    """One of the processes that fit together; a single process does not use torch.distributed."""

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> "World":
        """Return the initialized process group as a world, or one process."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return cls(torch.distributed.get_rank(), torch.distributed.get_world_size())
        return cls()

    def lanes(self, frames: int) -> range:
        """Return this process's range of a step's `frames`; raise InputError if they do not divide evenly."""
        if frames % self.size:
            raise InputError(
                f"learned.photographs_per_step: got {frames}, expected a multiple of learned.devices = {self.size}; "
                "change one of them."
            )
        own = frames // self.size
        return range(self.rank * own, (self.rank + 1) * own)

    def reduce(self, means: Sequence[Tensor] = (), sums: Sequence[Tensor] = ()) -> None:
        """Replace tensors by their means or their sums over all processes, in place, in one message."""
        tensors = [*means, *sums]
        if self.size == 1 or not tensors:
            return
        joined = torch.cat([tensor.reshape(-1) for tensor in tensors])
        torch.distributed.all_reduce(joined)
        joined[: sum(tensor.numel() for tensor in means)] /= self.size
        parts = joined.split([tensor.numel() for tensor in tensors])
        torch._foreach_copy_(tensors, [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)])

    def share(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by those of the first process, in place."""
        if self.size > 1:
            for tensor in tensors:
                torch.distributed.broadcast(tensor, 0)

    def agrees(self, value: float, device: torch.device) -> bool:
        """Return whether `value` is the same in all processes; all of them get the same answer."""
        both = torch.tensor([value, value * value], dtype=torch.float64, device=device)
        self.reduce(means=[both])
        return bool(both[1] == both[0] ** 2)
