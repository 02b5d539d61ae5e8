"""Noise as scanners make it; every draw takes an explicit generator."""

import math

import torch
from torch import Tensor


def rician(x: Tensor, *, sigma: float, rng: torch.Generator) -> Tensor:
    """Return the magnitude of ``x`` plus complex Gaussian noise, as a magnitude MRI shows it.

    ``M = sqrt((x + n1)^2 + n2^2)`` with ``n ~ N(0, sigma^2)``: where there is no signal the
    mean is 1.2533 sigma and the standard deviation 0.6551 sigma (Gudbjartsson and Patz, "The
    Rician distribution of noisy MRI data", MRM 1995).

    Args:
        x: Signal, any shape, float.
        sigma: Standard deviation of the real and of the imaginary part, in the unit of ``x``.
        rng: Source of randomness, on the device of ``x``.
    """
    if not 0 <= sigma < math.inf:
        raise ValueError(f"sigma must be finite and >= 0, got {sigma:g}")
    real, imaginary = (
        torch.randn(x.shape, generator=rng, dtype=x.dtype, device=x.device) for _ in range(2)
    )
    return torch.hypot(x + sigma * real, sigma * imaginary)
