"""Say it once for 2D and 3D: constructors take ``dims``; functions read it off the tensor."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medacuity.errors import UsageError

CONV: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
UNCONV: dict[int, type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]] = {
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
CONVOLVE: dict[int, Any] = {2: F.conv2d, 3: F.conv3d}
NORM: dict[int, type[nn.BatchNorm2d] | type[nn.BatchNorm3d]] = {
    2: nn.BatchNorm2d,
    3: nn.BatchNorm3d,
}

POOL: dict[int, Any] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}

INSTANCE: dict[int, type[nn.InstanceNorm2d] | type[nn.InstanceNorm3d]] = {
    2: nn.InstanceNorm2d,
    3: nn.InstanceNorm3d,
}

LAYOUTS = {2: torch.channels_last, 3: torch.channels_last_3d}
"""Orders of a tensor's numbers in memory, with the channels of a voxel side by side."""


def conv(
    dims: int, inputs: int, outputs: int, kernel: int, *,
    stride: int = 1, bias: bool = True, edges: str = "zeros",
) -> nn.Conv2d | nn.Conv3d:  # fmt: skip
    """Return a convolution over ``dims`` axes that keeps their size; ``kernel`` is odd.

    ``edges`` is what lies beyond them: ``"zeros"``, ``"replicate"`` for the nearest voxel, or
    ``"reflect"`` for a mirror. A ``stride`` of 2 halves even sizes.
    """
    _check_dims(dims)
    if kernel % 2 == 0:
        raise ValueError(f"kernel must be odd so that sizes are kept, got {kernel}")
    kind: Any = _Strided if dims == 3 and stride > 1 and edges == "zeros" else CONV[dims]
    layer: nn.Conv2d | nn.Conv3d = kind(
        inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=bias,
        padding_mode=edges if kernel > 1 else "zeros",  # torch would copy, to add nothing
    )  # fmt: skip
    return layer


def conv4(
    dims: int, inputs: int, outputs: int, *, stride: int = 2, bias: bool = True
) -> nn.Conv2d | nn.Conv3d:
    """Return a convolution 4 wide: at stride 2 it halves sizes, at stride 1 they lose one."""
    _check_dims(dims)
    kind: Any = _Strided if dims == 3 else CONV[dims]
    layer: nn.Conv2d | nn.Conv3d = kind(inputs, outputs, 4, stride=stride, padding=1, bias=bias)
    return layer


class _Strided(nn.Conv3d):
    """A convolution that is right in bfloat16, too, where one voxel is left of the last axis.

    oneDNN's is not, with a stride: https://github.com/pytorch/pytorch/issues/169688.
    """

    def forward(self, x: Tensor) -> Tensor:
        k, s, pad = self.kernel_size[2], self.stride[2], int(self.padding[2])
        if s > 1 and (x.shape[-1] + 2 * pad - k) // s == 0:
            return super().forward(F.pad(x, [0, s]))[..., :1]  # one more, to be left out
        return super().forward(x)


def unconv4(
    dims: int, inputs: int, outputs: int, *, bias: bool = True
) -> nn.ConvTranspose2d | nn.ConvTranspose3d:
    """Return a transposed convolution, 4 wide, that doubles sizes.

    Every output voxel takes from two input voxels per axis; with an odd kernel neighbours would
    take from one and two by turns, and a checkerboard be seen.
    """
    _check_dims(dims)
    layer: nn.ConvTranspose2d | nn.ConvTranspose3d = UNCONV[dims](
        inputs, outputs, 4, stride=2, padding=1, bias=bias
    )
    return layer


def resize_conv(
    dims: int, inputs: int, outputs: int, *, bias: bool = True, edges: str = "zeros"
) -> nn.Sequential:
    """Return nearest enlargement by 2, then a convolution 3 wide.

    All output voxels get the same sum of weights from the start, whatever the weights are.
    From Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016.
    """
    smooth = conv(dims, inputs, outputs, 3, bias=bias, edges=edges)
    return nn.Sequential(nn.Upsample(scale_factor=2), smooth)


def unconv(
    dims: int, inputs: int, outputs: int, kernel: int, *, stride: Sequence[int]
) -> nn.ConvTranspose2d | nn.ConvTranspose3d:
    """Return a transposed convolution that enlarges each axis by exactly its ``stride``."""
    _check_dims(dims)
    kind: Any = UNCONV[dims]
    layer: nn.ConvTranspose2d | nn.ConvTranspose3d = kind(
        inputs, outputs, kernel, stride=tuple(stride), padding=kernel // 2,
        output_padding=tuple(s - 1 for s in stride),
    )  # fmt: skip
    return layer


def norm(dims: int, width: int) -> nn.BatchNorm2d | nn.BatchNorm3d:
    """Return a batch normalisation whose state holds floats only: it does not count batches.

    The running averages take a tenth of every batch, for which no count is needed.
    """
    _check_dims(dims)
    layer = NORM[dims](width)
    layer.num_batches_tracked = None
    layer.register_load_state_dict_pre_hook(_drop_count)  # type: ignore[no-untyped-call]
    return layer


def _drop_count(_: nn.Module, state: dict[str, Any], prefix: str, *__: Any) -> None:
    """Torch adds the count to a state without one, and would then not know where to put it."""
    state.pop(f"{prefix}num_batches_tracked", None)


def instance_norm(dims: int, width: int) -> nn.InstanceNorm2d | nn.InstanceNorm3d:
    """Return a normalisation of each feature of each image; it learns and remembers nothing."""
    _check_dims(dims)
    return INSTANCE[dims](width)


def start_small(network: nn.Module) -> None:
    """Draw weights from N(0, 0.02), scales of batch norm from N(1, 0.02), and clear biases.

    The start of DCGAN, pix2pix and CycleGAN. Embeddings keep their own.
    """
    weighted = (*CONV.values(), *UNCONV.values(), *NORM.values(), nn.Linear)
    for module in network.modules():
        if not isinstance(module, weighted) or module.weight.is_meta:  # shapes alone
            continue
        mean = 1.0 if isinstance(module, tuple(NORM.values())) else 0.0
        nn.init.normal_(module.weight, mean, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def unconv_by_phases(layer: nn.ConvTranspose2d | nn.ConvTranspose3d, x: Tensor) -> Tensor:
    """Return ``layer(x)`` of a layer of `unconv`, faster where its kernel is wide.

    Output voxel ``m * stride + phase`` takes from input voxel ``m + d`` what the kernel holds at
    ``phase + padding - d * stride``. So each phase is an ordinary convolution at low resolution;
    all of them together are one to ``prod(stride)`` channels, which are then moved into space.
    The kernels are gathered from the layer's own weight, and the gradient finds its way back.

    Shape:
        ``(B, inputs, *S)`` -> ``(B, outputs, *(S * stride))``.
    """
    dims, weight = x.ndim - 2, layer.weight
    spans = []
    for axis in range(dims):
        k, s, pad = layer.kernel_size[axis], layer.stride[axis], int(layer.padding[axis])
        spans.append(range(-((k - 1 - pad) // s), (s - 1 + pad) // s + 1))  # every d that matters
        weight = _phases(weight, 2 + 2 * axis, s, pad, spans[axis])
    phases, taps = range(2, 2 + 2 * dims, 2), range(3, 3 + 2 * dims, 2)
    weight = weight.permute(1, *phases, 0, *taps).flatten(0, dims)  # (O * prod(stride), I, *taps)
    bias = None if layer.bias is None else layer.bias.repeat_interleave(math.prod(layer.stride))
    wide = [max(-span.start, span.stop - 1) for span in spans]
    out = CONVOLVE[dims](x, weight, bias, padding=wide)
    for axis, n in enumerate(x.shape[2:]):  # padding is the same at both ends, spans are not
        out = out.narrow(2 + axis, wide[axis] + spans[axis].start, n)
    return pixel_shuffle(out, layer.stride)


def _phases(weight: Tensor, axis: int, stride: int, pad: int, span: range) -> Tensor:
    """Split the taps along an axis in two: ``k -> (stride, len(span))``, zeros where none is."""
    k = weight.shape[axis]
    taps = torch.arange(stride)[:, None] + pad - stride * torch.arange(span.start, span.stop)
    taps = torch.where((taps >= 0) & (taps < k), taps, k).to(weight.device)
    padded = torch.cat([weight, torch.zeros_like(weight.narrow(axis, 0, 1))], axis)
    gathered = padded.index_select(axis, taps.flatten())
    return gathered.reshape(*weight.shape[:axis], stride, len(span), *weight.shape[axis + 1 :])


def per_axis(value: int | Sequence[int], dims: int) -> tuple[int, ...]:
    """Return ``value`` once per spatial axis.

    Example:
        >>> per_axis(2, 3)
        (2, 2, 2)
    """
    _check_dims(dims)
    values = tuple(value) if isinstance(value, Sequence) else (value,) * dims
    if len(values) != dims or any(type(v) is not int or v < 1 for v in values):
        raise ValueError(f"scale needs {dims} whole numbers >= 1, one per axis, got {value}")
    return values


def at_least(least: int, **counts: int) -> None:
    """Refuse, by its name, what is not a whole number of ``least`` or more.

    Example:
        >>> at_least(1, width=0)
        Traceback (most recent call last):
        ValueError: width must be a whole number >= 1, got 0
    """
    for name, count in counts.items():
        if type(count) is not int or count < least:
            raise ValueError(f"{name} must be a whole number >= {least}, got {count}")


def counts(least: int, length: int, **series: Sequence[int]) -> None:
    """Refuse, by its name, what is not ``length`` whole numbers of ``least`` or more.

    Example:
        >>> counts(1, 3, kernels=(9, 0, 5))
        Traceback (most recent call last):
        ValueError: kernels must be 3 whole numbers >= 1, got (9, 0, 5)
    """
    for name, values in series.items():
        whole = isinstance(values, Sequence) and all(type(v) is int for v in values)
        if not whole or len(values) != length or min(values) < least:
            raise ValueError(f"{name} must be {length} whole numbers >= {least}, got {values}")


def pixel_shuffle(x: Tensor, scale: Sequence[int]) -> Tensor:
    """Move channels into space: ``(B, C * prod(scale), *S)`` -> ``(B, C, *(S * scale))``.

    The order of the channels is that of ``torch.nn.functional.pixel_shuffle``.
    """
    batch, channels, *size = x.shape
    dims = len(size)
    x = x.reshape(batch, channels // math.prod(scale), *scale, *size)
    interleaved = [axis for i in range(dims) for axis in (2 + dims + i, 2 + i)]
    x = x.permute(0, 1, *interleaved)
    return x.reshape(batch, -1, *(n * r for n, r in zip(size, scale, strict=True)))


def along(x: Tensor, matrix: Tensor, axis: int) -> Tensor:
    """Multiply every line of ``x`` along ``axis`` by ``matrix``: ``n -> m`` voxels.

    Under autocast too it is computed in the precision of ``x``: half would blur an image.
    """
    with torch.autocast(x.device.type, enabled=False):
        return torch.movedim(torch.movedim(x, axis, -1) @ matrix.to(x.dtype).T, -1, axis)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Repeat the far edge until every spatial size is a multiple of ``multiple``."""
    short = [-n % multiple for n in x.shape[2:]]
    if not any(short):
        return x
    return F.pad(x, [pad for n in reversed(short) for pad in (0, n)], mode="replicate")


def check_multiple(x: Tensor, multiple: int) -> None:
    """Refuse an image whose sizes are not multiples of ``multiple``, and say what would fit."""
    size = tuple(x.shape[2:])
    if any(n % multiple for n in size):
        fits = tuple(n + -n % multiple for n in size)
        raise ValueError(f"sizes must be multiples of {multiple}, got {size}; pad to {fits}")


def channels_last(module: nn.Module, dims: int) -> nn.Module:
    """Lay the weights out as the CPU and GPU kernels like them; the numbers stay the same."""
    return module.to(memory_format=LAYOUTS[dims])  # type: ignore[call-overload,no-any-return]


def _check_dims(dims: int) -> None:
    if dims not in CONV:
        raise ValueError(f"dims must be 2 (slices) or 3 (volumes), got {dims}")


def usable_device(name: str) -> torch.device:
    """Return the device of a name: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        UsageError: There is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or not (number or "0").isdigit():
        raise UsageError(f"device is auto, cpu, cuda or cuda:N, got {name!r}")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise UsageError(f"no GPU {number or 0} is usable on this machine; take --device cpu")
    return torch.device(name)
