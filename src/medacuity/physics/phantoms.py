"""Objects whose line integrals are known exactly: ellipses, and what is made of them."""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medacuity.physics.geometry import Geometry, Grid


class Ellipse(NamedTuple):
    """An ellipse that adds ``value`` to what lies beneath it.

    Args:
        value: What is added inside.
        half: Half axes in mm.
        centre: In mm from the axis of rotation.
        turn_deg: By which it is turned, from the first axis of the image to the second.
    """

    value: float
    half: tuple[float, float]
    centre: tuple[float, float] = (0.0, 0.0)
    turn_deg: float = 0.0


class Phantom(tuple[Ellipse, ...]):
    """Ellipses, as pixels and as exact line integrals.

    Example:
        >>> from medacuity.physics.geometry import parallel
        >>> disc = Phantom([Ellipse(0.02, (50.0, 50.0))])
        >>> float(disc.sinogram(parallel(1, bins=1, pitch=1.0)))
        2.0
    """

    __slots__ = ()

    def image(self, grid: Grid, *, fine: int = 4) -> Tensor:
        """Return ``(I, J)``: the mean over each pixel, of ``fine * fine`` samples."""
        small = Grid(
            (grid.shape[0] * fine, grid.shape[1] * fine),
            (grid.spacing[0] / fine, grid.spacing[1] / fine), grid.centre,
        )  # fmt: skip
        u, v = small.places()
        x = sum((_inside(part, u[:, None], v) for part in self), np.zeros(small.shape))
        blocks = x.reshape(grid.shape[0], fine, grid.shape[1], fine)
        return torch.from_numpy(blocks.mean((1, 3)))

    def sinogram(self, geometry: Geometry) -> Tensor:
        """Return ``(views, bins)``: the chord of every ray through every ellipse."""
        phi, s = geometry.lines()
        return torch.from_numpy(sum((_chord(part, phi, s) for part in self), np.zeros(phi.shape)))


def _inside(part: Ellipse, u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    turn, (a, b) = math.radians(part.turn_deg), part.half
    u, v = u - part.centre[0], v - part.centre[1]
    along, across = u * math.cos(turn) + v * math.sin(turn), v * math.cos(turn) - u * math.sin(turn)
    return np.where((along / a) ** 2 + (across / b) ** 2 <= 1, part.value, 0.0)


def _chord(part: Ellipse, phi: NDArray[np.float64], s: NDArray[np.float64]) -> NDArray[np.float64]:
    (a, b), (u, v) = part.half, part.centre
    t = s - u * np.cos(phi) - v * np.sin(phi)
    turned = phi - math.radians(part.turn_deg)
    width = (a * np.cos(turned)) ** 2 + (b * np.sin(turned)) ** 2  # half the shadow, squared
    return np.asarray(part.value * 2 * a * b * np.sqrt(np.maximum(width - t**2, 0)) / width)


SHEPP_LOGAN = (
    (1.0, 0.69, 0.92, 0.0, 0.0, 0.0),
    (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18.0),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 18.0),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0.0),
    (0.1, 0.046, 0.046, 0.0, 0.1, 0.0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0.0),
    (0.1, 0.046, 0.023, -0.08, -0.605, 0.0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0.0),
    (0.1, 0.023, 0.046, 0.06, -0.605, 0.0),
)
"""Value, half axes, centre, turn: the head of Shepp and Logan with Toft's higher contrast."""


def shepp_logan(radius: float = 256.0, *, value: float = 1.0) -> Phantom:
    """Return the head phantom in a circle of ``radius`` mm, with ``value`` for its skull."""
    return Phantom(
        Ellipse(value * c, (a * radius, b * radius), (u * radius, v * radius), turn)
        for c, a, b, u, v, turn in SHEPP_LOGAN
    )


def inserts(water: float = 0.02) -> Phantom:
    """Return a body of water, 20 cm across, on which sharpness, noise and numbers can be measured.

    Around an even middle (44 mm square): an insert of +300 HU (30 mm, at u = 50 mm), one of -800
    HU (40 mm, at u = -50), a wire of 0.2 mm at v = -60, and at v = 55 four discs of +20 HU, 16, 10,
    6 and 4 mm wide.
    """
    faint = ((16.0, -30.0), (10.0, -8.0), (6.0, 10.0), (4.0, 24.0))
    return Phantom([
        Ellipse(water, (100.0, 100.0)),
        Ellipse(0.3 * water, (15.0, 15.0), (50.0, 0.0)),
        Ellipse(-0.8 * water, (20.0, 20.0), (-50.0, 0.0)),
        Ellipse(15 * water, (0.1, 0.1), (0.0, -60.0)),
        *(Ellipse(0.02 * water, (wide / 2, wide / 2), (u, 55.0)) for wide, u in faint),
    ])  # fmt: skip


CHEST = (
    (-100, 165, 105, 0, 0, 0), (150, 150, 92, 0, 0, 0), (-850, 55, 72, -78, 5, 8),
    (-850, 55, 72, 78, 5, -8), (-20, 38, 42, 18, 28, 30), (0, 9, 9, 20, -32, 0),
    (350, 17, 15, 0, -58, 0), (150, 5, 14, 0, -82, 0), (300, 30, 4, 0, 84, 0),
    (300, 5, 14, -128, 40, 25), (300, 5, 14, 128, 40, -25), (300, 5, 14, -134, -25, -10),
    (300, 5, 14, 134, -25, 10), (800, 3, 3, -60, 20, 0), (800, 5, 2, -70, -15, 40),
    (800, 2, 2, -95, 0, 0), (800, 1.5, 1.5, -85, 35, 0), (800, 3, 3, 62, -10, 0),
    (800, 6, 2, 80, 25, -30), (800, 2, 2, 95, -20, 0), (700, 4, 4, 75, -42, 0),
)  # fmt: skip
"""HU more than what lies beneath (air at first), half axes, centre in mm, turn."""


def chest(water: float = 0.02) -> Phantom:
    """Return a schematic chest, 33 cm wide, with ribs, a heart, and vessels in its lungs."""
    first = Ellipse(water, (CHEST[0][1], CHEST[0][2]))
    return Phantom([first, *(
        Ellipse(hu / 1000 * water, (a, b), (u, v), turn) for hu, a, b, u, v, turn in CHEST
    )])  # fmt: skip


def random_ellipses(
    radius: float, *, rng: torch.Generator, mean: float = 40.0, largest: int = 70
) -> Phantom:
    """Return ellipses at random in a circle of ``radius`` mm, as networks are trained on.

    Their number is a Poisson draw. Half axes are exponential with a mean of a tenth of the
    field, values are uniform in [-0.4, 1], and places and turns uniform.
    """
    rate = torch.tensor(mean)
    count = max(1, min(largest, int(torch.poisson(rate, generator=rng))))

    def uniform(low: float, high: float) -> list[float]:
        """Draw a number for every ellipse."""
        return (torch.rand(count, generator=rng) * (high - low) + low).tolist()

    def sizes() -> list[float]:
        """Draw a half axis in mm for every ellipse, from a hundredth of the circle to all of it."""
        drawn = torch.rand(count, generator=rng).clamp(min=1e-6)
        return (-0.2 * radius * drawn.log()).clamp(0.01 * radius, radius).tolist()

    rows = zip(
        uniform(-0.4, 1), sizes(), sizes(), uniform(-radius, radius), uniform(-radius, radius),
        uniform(0, 180), strict=True,
    )  # fmt: skip
    return Phantom(Ellipse(c, (a, b), (u, v), turn) for c, a, b, u, v, turn in rows)
