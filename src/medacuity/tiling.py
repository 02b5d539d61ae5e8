"""Exact tiles: cores that cover the image once, halos that make them seamless.

A voxel of the result depends on the input no further away than the model's halo. So each tile
shows the model a core and the halo around it, clipped where the image ends, and keeps the core:
the borders of the image stay the model's own affair, and no other border exists for it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medacuity.errors import LimitExceeded, UsageError
from medacuity.memory import bytes_per_voxel as measured
from medacuity.nd import pad_to_multiple
from medacuity.tiles import SMALLEST_CORE, Axis, least_work

Core = tuple[slice, ...]
"""The part of the input, along ``(B, *S)``, whose results one tile gives."""


class Model(Protocol):
    """What tiling needs of a network: plain attributes, no base class.

    Attributes:
        dims: Spatial axes, 2 or 3.
        scale: Output voxels per input voxel, per axis.
        halo: Input voxels around a voxel that its output depends on; None: all of them.
        multiple: Input sizes must be multiples of this; any other size is padded by
            repeating the far edge, whole image and tiles alike, and cropped afterwards.
    """

    @property
    def dims(self) -> int: ...
    @property
    def scale(self) -> tuple[int, ...]: ...
    @property
    def halo(self) -> int | None: ...
    @property
    def multiple(self) -> int: ...
    def __call__(self, x: Tensor, /) -> Tensor: ...


def run_tiled(
    model: Model,
    x: Tensor | NDArray[Any],
    *,
    out: Tensor | NDArray[Any],
    tile: int | Sequence[int] | None = None,
    budget_bytes: float | None = None,
    load: Callable[[Any], Tensor] | None = None,
    store: Callable[[Tensor], Any] | None = None,
    report: Callable[[int, int], None] | None = None,
) -> None:
    """Run ``model`` over ``x`` piece by piece, and write what it gives into ``out``.

    The result is that of the whole image, whatever the tiles; floats may round differently by
    some 1e-7 of the range. When memory runs out all the same, the tile is halved and the work
    goes on. Neither a float copy of ``x`` nor a second copy of the result is ever held, so
    both may be memory maps.

    Args:
        model: Network in evaluation mode.
        x: ``(B, C, *S)`` of any dtype. For a 2D network on a volume the slices are the batch:
            ``np.moveaxis(array, axis, 0)[:, None]``, a view.
        out: ``(B, C', *(S * scale))``, written in place; a view of a memory map will do.
        tile: Core size: for every spatial axis, one image of the batch at a time, or one
            number for the batch and one per axis. None: as ``budget_bytes`` allows.
        budget_bytes: Memory for the input, features and output of one tile; the model's need is
            measured on a corner of ``x`` (``medacuity.memory``), or give ``tile`` the answer
            of ``tile_for`` with a figure of your own. None, and no ``tile``: the whole image.
        load: From a piece of ``x`` to what the model takes: scaling, dtype, device. None:
            ``float32``, as it is.
        store: From the model's result to what ``out`` takes; needed when ``out`` holds
            integers, as rounding is the caller's choice. None: as it is.
        report: Called with the input voxels done and to do, after each tile.

    Raises:
        UsageError: Shapes do not fit the model, or a tile was given to a model without halo.
        LimitExceeded: The smallest tile needs more than the budget or the machine has.

    Example:
        >>> from medacuity.nd import conv
        >>> blur = conv(3, 1, 1, 5)
        >>> blur.dims, blur.scale, blur.halo, blur.multiple = 3, (1, 1, 1), 2, 1
        >>> x, out = torch.rand(1, 1, 20, 30, 40), torch.empty(1, 1, 20, 30, 40)
        >>> run_tiled(blur, x, out=out, tile=16)
        >>> torch.allclose(out, blur(x), atol=1e-6)
        True
    """
    job = _Job(model, x, out, load or _as_floats, store or _as_is)
    job.check(rounded=store is not None)
    axes = axes_of(model, x.shape)
    if tile is None and budget_bytes is not None:
        corner = job.piece([slice(0, 1)] + [slice(0, 16)] * model.dims)
        need = measured(model, corner)
        tile = tile_for(model, x.shape, budget_bytes=budget_bytes, bytes_per_voxel=need)
    sizes = _core_sizes(tile, axes, model)
    pending = list(_cores(sizes, axes))[::-1]
    total, done, largest = math.prod(axis.size for axis in axes), 0, math.inf
    while pending:
        core = pending.pop()
        if _voxels(core) > largest or not job.done(core):
            halves = _halves(core, model)
            largest = min(largest, _voxels(halves[0]))
            pending += halves[::-1]
            continue
        done += _voxels(core)
        if report is not None:
            report(done, total)


def tile_for(
    model: Model, shape: Sequence[int], *, budget_bytes: float, bytes_per_voxel: float
) -> tuple[int, ...]:
    """Return the core size, batch first, that wastes least of the work within a budget.

    Of the sizes that fit, the one with the fewest voxels computed twice, and of those the one
    with the fewest tiles: whole slices and slabs of full planes come out by themselves.

    Args:
        model: Its ``dims``, ``halo`` and ``multiple`` are looked at.
        shape: ``(B, C, *S)`` of the input.
        budget_bytes: Memory that one tile may take.
        bytes_per_voxel: Memory per input voxel of a tile (``medacuity.memory``).

    Example:
        >>> from types import SimpleNamespace
        >>> model = SimpleNamespace(dims=3, scale=(2, 2, 2), halo=8, multiple=1)
        >>> tile_for(model, (1, 1, 256, 256, 180), budget_bytes=1e9, bytes_per_voxel=260)
        (1, 128, 128, 180)
    """
    axes = axes_of(model, shape)
    sizes, voxels = least_work(axes, room=budget_bytes / bytes_per_voxel)
    if voxels * bytes_per_voxel > budget_bytes:
        raise LimitExceeded(_too_small(model, voxels * bytes_per_voxel, budget_bytes))
    return sizes


def axes_of(model: Model, shape: Sequence[int]) -> list[Axis]:
    """Return the axes along which an input of ``shape`` may be cut: the batch, then space."""
    if len(shape) != model.dims + 2 or 0 in shape:
        raise UsageError(
            f"the model takes (batch, channels) and {model.dims} axes in space, none of them "
            f"empty; got shape {tuple(shape)}"
        )
    batch, _, *space = shape
    return [
        Axis(batch, 0, 1),
        *(Axis(n, n if model.halo is None else model.halo, model.multiple) for n in space),
    ]


@dataclass(frozen=True)
class _Job:
    """One input, one output, and the way between them for any core."""

    model: Model
    x: Tensor | NDArray[Any]
    out: Tensor | NDArray[Any]
    load: Callable[[Any], Tensor]
    store: Callable[[Tensor], Any]

    def check(self, *, rounded: bool) -> None:
        """Refuse an output that does not fit, or would silently truncate."""
        axes_of(self.model, self.x.shape)
        space = (n * s for n, s in zip(self.x.shape[2:], self.model.scale, strict=True))
        wanted = (self.x.shape[0], *space)
        if (self.out.shape[0], *self.out.shape[2:]) != wanted:
            raise UsageError(
                f"out needs {wanted[0]} images of {wanted[1:]} voxels, got {tuple(self.out.shape)}"
            )
        if not rounded and "int" in str(self.out.dtype):
            raise UsageError(f"out holds {self.out.dtype}: pass store=, which rounds to it")

    def piece(self, window: Sequence[slice]) -> Tensor:
        """Return a window of the input as the model takes it."""
        loaded = self.load(self.x[(window[0], slice(None), *window[1:])])
        return pad_to_multiple(loaded, self.model.multiple)

    def done(self, core: Core) -> bool:
        """Run the model on one core; False: memory ran out, nothing was written."""
        try:
            result = self._run(core)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            return False
        place = [slice(c.start * s, c.stop * s) for c, s in self._scaled(core)]
        self.out[(place[0], slice(None), *place[1:])] = result
        return True

    @torch.inference_mode()
    def _run(self, core: Core) -> Any:
        axes = axes_of(self.model, self.x.shape)
        window = [axis.window(c) for axis, c in zip(axes, core, strict=True)]
        x = self.piece(window)
        y = self.model(x)
        wanted = tuple(n * s for n, s in zip(x.shape[2:], self.model.scale, strict=True))
        if y.shape[2:] != wanted:
            raise UsageError(
                f"a model of scale {self.model.scale} must enlarge {tuple(x.shape[2:])} to "
                f"{wanted}, got {tuple(y.shape[2:])}"
            )
        keep = [
            slice((c.start - w.start) * s, (c.stop - w.start) * s)
            for (c, s), w in zip(self._scaled(core), window, strict=True)
        ]
        stored = self.store(y[(slice(None), slice(None), *keep[1:])])
        on_host = isinstance(stored, Tensor) and not isinstance(self.out, Tensor)
        return stored.float().cpu().numpy() if on_host else stored

    def _scaled(self, core: Core) -> Iterator[tuple[slice, int]]:
        return zip(core, (1, *self.model.scale), strict=True)


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that there was no memory left, on this or another device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return "allocate" in text or "out of memory" in text or "not enough memory" in text


def _as_floats(piece: Any) -> Tensor:
    if isinstance(piece, Tensor):
        return piece.float()
    return torch.from_numpy(np.array(piece, dtype=np.float32))  # a copy: native order, writable


def _as_is(result: Tensor) -> Tensor:
    return result


def _core_sizes(
    tile: int | Sequence[int] | None, axes: Sequence[Axis], model: Model
) -> tuple[int, ...]:
    """Return the core size along each axis, never above the axis itself."""
    whole = tuple(axis.size for axis in axes)
    if tile is None:
        return whole
    asked = (1, *[tile] * model.dims) if isinstance(tile, int) else tuple(tile)
    if len(asked) != len(whole) or min(asked) < 1:
        raise UsageError(
            f"tile needs one whole number >= 1, or {len(whole)} (batch, then each axis), got {tile}"
        )
    sizes = tuple(min(n, size) for n, size in zip(asked, whole, strict=True))
    if model.halo is None and sizes[1:] != whole[1:]:
        raise UsageError(
            f"the model sees the whole image of {whole[1:]} voxels at once, so tiles of "
            f"{asked[1:]} would change its answer; leave tile out"
        )
    return sizes


def _cores(sizes: Sequence[int], axes: Sequence[Axis]) -> Iterator[Core]:
    return product(*(axis.cores(n) for axis, n in zip(axes, sizes, strict=True)))


def _voxels(core: Core) -> int:
    return math.prod(part.stop - part.start for part in core)


def _halves(core: Core, model: Model) -> list[Core]:
    """Cut a core in two: the batch first, which costs nothing, then the longest axis."""
    sizes = [part.stop - part.start for part in core]
    axis = 0 if sizes[0] > 1 else max(range(1, len(core)), key=lambda i: sizes[i])
    if axis > 0 and (model.halo is None or sizes[axis] <= SMALLEST_CORE):
        raise LimitExceeded(_too_small(model, None, None))
    start, stop = core[axis].start, core[axis].stop
    middle = start + (stop - start + 1) // 2
    return [
        (*core[:axis], half, *core[axis + 1 :])
        for half in (slice(start, middle), slice(middle, stop))
    ]


def _too_small(model: Model, need: float | None, budget: float | None) -> str:
    """Say what is missing, and what can be done."""
    what = (
        "the whole image, which this model needs at once,"
        if model.halo is None
        else "the smallest tile"
    )
    if need is None or budget is None:
        return f"{what} does not fit into memory; free some, or use a smaller model or image"
    return (
        f"{what} needs about {need / 2**20:.0f} MiB, the budget is {budget / 2**20:.0f} MiB; "
        "raise it, or use a smaller model or image"
    )
