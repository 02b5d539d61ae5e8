"""The ramp filter of filtered back-projection, and the windows that calm it."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from medacuity.errors import UsageError

Window = Callable[[Tensor], Tensor]
"""What is left of a frequency, given as its share of the highest that is kept."""

WINDOWS: Mapping[str, Window] = {
    "ramp": torch.ones_like,
    "shepp-logan": lambda f: torch.sinc(f / 2),
    "cosine": lambda f: torch.cos(math.pi / 2 * f),
    "hamming": lambda f: 0.54 + 0.46 * torch.cos(math.pi * f),
    "hann": lambda f: 0.5 + 0.5 * torch.cos(math.pi * f),
}


def ramp_filter(
    y: Tensor, *, pitch: float, window: str = "ramp", cutoff: float = 1.0, arc: bool = False
) -> Tensor:
    """Filter every view along its bins, the last axis.

    The ramp is built from its samples in space (1/4 at 0, -1/(pi n)^2 at odd n, 0 at even n)
    rather than from |f|, which would lose the mean, and the views are padded with zeros to
    twice their length, so that their ends do not meet.

    Args:
        y: ``(..., bins)``.
        pitch: Distance between bins, in mm; in radians for an arc.
        window: ``ramp`` (Ram-Lak, none), ``shepp-logan``, ``cosine``, ``hamming`` or ``hann``.
        cutoff: Highest frequency that is kept, as a share of the detector's; the window ends
            there. 0.5 is common at low dose.
        arc: The bins lie at equal angles around the source: samples gain ``(a / sin a)^2``.

    Raises:
        UsageError: No window has that name, or the cutoff is not in (0, 1].
    """
    if window not in WINDOWS:
        raise UsageError(f"no filter is called {window!r}; take {', '.join(WINDOWS)}")
    if not 0 < cutoff <= 1:
        raise UsageError(f"cutoff must lie above 0 and be at most 1, got {cutoff}")
    bins = y.shape[-1]
    size = 2 ** math.ceil(math.log2(2 * bins))
    share = torch.linspace(0, 1, size // 2 + 1, dtype=torch.float64) / cutoff
    kept = torch.where(share <= 1 + 1e-12, WINDOWS[window](share), 0.0)
    response = torch.fft.rfft(_ramp(size, pitch, arc)).real * kept
    spectrum = torch.fft.rfft(y, n=size, dim=-1) * response.to(y)
    return torch.as_tensor(torch.fft.irfft(spectrum, n=size, dim=-1)[..., :bins])


def _ramp(size: int, pitch: float, arc: bool) -> Tensor:
    n = torch.arange(size, dtype=torch.float64)
    n = torch.minimum(n, size - n)
    taps = torch.where(n % 2 == 1, -1 / (math.pi * n.clamp(min=1)) ** 2, 0.0)
    taps[0] = 0.25
    if arc:
        # Angles that no detector spans come up in the padding only; they must stay finite.
        angle = (n * pitch).clamp(max=3.0)
        taps = taps / torch.sinc(angle / math.pi) ** 2
    return taps / pitch
