"""Damages of a known kind and degree, to learn from and to judge by.

Everything here draws by chance once, for a whole batch, and returns a plain function of the
degree: `Damaged`, ``(B,)`` numbers from 0 (untouched) to 1 -> ``(B, C, *S)``. So the same blur
can be seen mild and heavy, and a heavy one is the mild one and more.

*Harm* takes something from a reader; *harmless* changes do not, though they may move every
voxel's value further.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from medacuity.nd import along

Damaged = Callable[[Tensor], Tensor]
Damage = Callable[[Tensor, torch.Generator], Damaged]
"""``damage(x, rng)(degree)``: one draw, at any degree."""

MOST_BLUR = 2.5  # voxels, standard deviation
MOST_NOISE = 0.15  # of the unit range
LEAST_KSPACE = 0.3  # share of the lines along each axis
MOST_SHIFT = 1.2  # voxels along each axis
WIDE = 4.0  # voxels: what is left of detail that has faded into its surroundings


def blur(x: Tensor, rng: torch.Generator) -> Damaged:
    """Gaussian, wider by ``degree``."""

    def transfer(degree: Tensor, turns: list[Tensor]) -> Tensor:
        """Return the share kept of every frequency, a Gaussian."""
        return torch.exp(-2 * (math.pi * MOST_BLUR * degree) ** 2 * _squares(turns))

    return lambda degree: filtered(x, degree, transfer)


def ringing(x: Tensor, rng: torch.Generator) -> Damaged:
    """K-space cut off: the rim is lost, and edges ring."""

    def transfer(degree: Tensor, turns: list[Tensor]) -> Tensor:
        """Return the share kept of every frequency: all up to a rim, and none beyond."""
        rim = 0.5 - (0.5 - LEAST_KSPACE / 2) * degree
        kept = torch.ones(())
        for turn in turns:  # a step between two lines would make the degree jump
            kept = kept * (1 + (rim - turn.abs()) * x.shape[-1]).clamp(0, 1)
        return kept

    return lambda degree: filtered(x, degree, transfer)


def noise(x: Tensor, rng: torch.Generator) -> Damaged:
    """Rician, the same noise at every degree."""
    real, imaginary = (torch.randn(x.shape, generator=rng) for _ in range(2))

    def noisy(degree: Tensor) -> Tensor:
        """Return the magnitude of the image in complex noise, the same at every degree."""
        sigma = MOST_NOISE * spread(degree, x)
        return torch.hypot(x + sigma * real, sigma * imaginary)

    return noisy


def vanishing(x: Tensor, rng: torch.Generator) -> Damaged:
    """Detail fades into its surroundings at a few places."""
    heavy = filtered(x, torch.ones(len(x)), _surroundings)
    places = torch.stack([_blob(x, rng, 2.0, 6.0) for _ in range(3)]).amax(0)
    return lambda degree: x + spread(degree, x) * places * (heavy - x)


def lesion(x: Tensor, rng: torch.Generator) -> Damaged:
    """A small structure where there is none; seen the other way round, one that is missing."""
    contrast = drawn(x, rng, 0.15, 0.45) * _sign(x, rng)
    place = _blob(x, rng, 1.0, 3.5) * (x > 0.08).float()
    return lambda degree: x + spread(degree, x) * contrast * place


def checkerboard(x: Tensor, rng: torch.Generator) -> Damaged:
    """A pattern of two voxels, as networks leave behind that enlarge carelessly."""
    sign = torch.ones(())
    for axis in range(2, x.ndim):
        line = 1 - 2 * (torch.arange(x.shape[axis]) % 2)
        sign = sign * _on(line, axis, x)
    pattern = sign * (0.03 + 0.3 * x.clamp(min=0)) * drawn(x, rng, 0.3, 1.0)
    return lambda degree: x + spread(degree, x) * pattern


def blocks(x: Tensor, rng: torch.Generator) -> Damaged:
    """Coarser voxels, by and by."""
    size = 2 + int(torch.randint(3, (), generator=rng))
    mean = _block_mean(x, size)
    return lambda degree: x + spread(degree, x) * (mean - x)


def shift(x: Tensor, rng: torch.Generator) -> Damaged:
    """The patient lies a part of a voxel, or one, further along; nothing is smoothed."""
    dims = x.ndim - 2
    ways = MOST_SHIFT * (2 * torch.rand(len(x), dims, generator=rng) - 1)

    def transfer(degree: Tensor, turns: list[Tensor]) -> Tensor:
        """Return the phase by which every frequency turns."""
        angle = torch.zeros(())
        for axis, turn in enumerate(turns):
            angle = angle + turn * spread(ways[:, axis], x)
        return torch.exp(-2j * math.pi * angle * degree)

    return lambda degree: filtered(x, degree, transfer)


def brightness(x: Tensor, rng: torch.Generator) -> Damaged:
    """All voxels brighter or darker by the same share, up to a quarter."""
    share = drawn(x, rng, 0.05, 0.25) * _sign(x, rng)
    return lambda degree: x * (1 + spread(degree, x) * share)


def contrast(x: Tensor, rng: torch.Generator) -> Damaged:
    """Another gamma: the same order of brightness."""
    power = drawn(x, rng, 0.05, 0.35) * _sign(x, rng)
    return lambda degree: x.clamp(min=1e-4) ** torch.exp(spread(degree, x) * power)


def shading(x: Tensor, rng: torch.Generator) -> Damaged:
    """A slow wave of sensitivity, as of a coil."""
    field = torch.zeros(())
    for axis in range(2, x.ndim):
        place = _on(torch.linspace(0, 1, x.shape[axis]), axis, x)
        field = field + torch.cos(math.pi * (place * drawn(x, rng, 0.3, 1.2) + drawn(x, rng, 0, 2)))
    field = field * drawn(x, rng, 0.05, 0.2)
    return lambda degree: x * (1 + spread(degree, x) * field)


HARM: dict[str, Damage] = {
    "blur": blur, "ringing": ringing, "noise": noise, "vanishing": vanishing, "lesion": lesion,
    "checkerboard": checkerboard, "blocks": blocks,
}  # fmt: skip
"""What takes something from a reader, or makes something up."""

LOCAL = ("vanishing", "lesion")
"""Harm to a few places, which the mean error of an image hardly shows."""

HARMLESS: dict[str, Damage] = {
    "shift": shift, "brightness": brightness, "contrast": contrast, "shading": shading,
}  # fmt: skip
"""What a reader would hardly mind."""


def filtered(
    x: Tensor, degree: Tensor, transfer: Callable[[Tensor, list[Tensor]], Tensor]
) -> Tensor:
    """Multiply k-space by ``transfer(degree, turns)``: turns per voxel along each axis.

    Images are mirrored beyond their far edges, so that the near one does not come round.
    """
    size = x.shape[2:]
    for axis in range(2, x.ndim):
        x = torch.cat([x, x.flip(axis)], axis)
    axes = tuple(range(2, x.ndim))
    turns = []
    for axis in axes:
        frequencies = torch.fft.rfftfreq if axis == axes[-1] else torch.fft.fftfreq
        turns.append(_on(frequencies(x.shape[axis]), axis, x))
    spectrum = torch.fft.rfftn(x, dim=axes) * transfer(spread(degree, x), turns)
    out: Tensor = torch.fft.irfftn(spectrum, s=x.shape[2:], dim=axes)
    for axis, n in zip(axes, size, strict=True):
        out = out.narrow(axis, 0, n)
    return out


def spread(degree: Tensor, x: Tensor) -> Tensor:
    """Return one number per image in a shape that broadcasts to the images."""
    return degree.reshape(-1, *[1] * (x.ndim - 1))


def drawn(x: Tensor, rng: torch.Generator, low: float, high: float) -> Tensor:
    """Draw one number per image, between ``low`` and ``high``."""
    return spread(low + (high - low) * torch.rand(len(x), generator=rng), x)


def _sign(x: Tensor, rng: torch.Generator) -> Tensor:
    return spread(2.0 * torch.randint(2, (len(x),), generator=rng) - 1, x)


def _surroundings(degree: Tensor, turns: list[Tensor]) -> Tensor:
    return torch.exp(-2 * (math.pi * WIDE) ** 2 * _squares(turns)) * degree


def _blob(x: Tensor, rng: torch.Generator, small: float, large: float) -> Tensor:
    """Return a soft ellipsoid per image, 1 inside; its half axes from ``small`` to ``large``."""
    reach = torch.zeros(())
    for axis in range(2, x.ndim):
        n = x.shape[axis]
        place = _on(torch.arange(n), axis, x)
        centre = drawn(x, rng, 0.25 * n, 0.75 * n)
        reach = reach + ((place - centre) / drawn(x, rng, small, large)).square()
    return torch.sigmoid(6 * (1 - reach.sqrt()))


def _block_mean(x: Tensor, size: int) -> Tensor:
    """Return the mean of the block around every voxel; the last block of an axis may be cut."""
    for axis in range(2, x.ndim):
        block = torch.arange(x.shape[axis]) // size
        shares = (block[:, None] == block).float()
        x = along(x, shares / shares.sum(1, keepdim=True), axis)
    return x


def _on(line: Tensor, axis: int, x: Tensor) -> Tensor:
    """Lay a line of numbers along an axis of images."""
    return line.reshape([-1 if a == axis else 1 for a in range(x.ndim)])


def _squares(turns: list[Tensor]) -> Tensor:
    return sum((turn.square() for turn in turns), torch.zeros(()))
