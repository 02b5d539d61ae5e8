"""How much memory a network takes, per voxel of its input."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WORKSPACE = 2.0
"""Memory taken over the tensors themselves. CPU convolutions copy their input and output into
a blocked layout: 1.0 to 1.9 times were measured over 2D and 3D, float32 and bfloat16, plain
and channels-last tensors, 16 to 64 features."""


def bytes_per_voxel(model: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """Return what ``model`` takes at its peak for each voxel of ``x``, measured by running it.

    Input, features alive at the same time, output and workspace are counted; the weights are
    not. A small ``x`` (16 voxels per axis) gives the figure for any size, as it hardly depends
    on it.

    Args:
        model: Network; on the device of ``x``.
        x: ``(B, C, *S)``, as the model takes it.

    Example:
        >>> round(bytes_per_voxel(torch.nn.Conv2d(1, 64, 3, padding=1), torch.rand(1, 1, 16, 16)))
        1028
    """
    voxels = x.numel() / x.shape[1]
    with torch.inference_mode(), _Watch() as watch:
        y = model(x)
    # The result leaves as floats in the unit of the scan: two more copies of it.
    kept = x.numel() * x.element_size() + 2 * y.numel() * 4
    return float(WORKSPACE * watch.peak + kept) / voxels


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Count the bytes of the tensors that are alive at the same time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._alive: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        place = storage.data_ptr()
        if place not in self._alive:
            self._alive[place] = storage.nbytes()
            weakref.finalize(storage, self._alive.pop, place, None)
            self.peak = max(self.peak, sum(self._alive.values()))
