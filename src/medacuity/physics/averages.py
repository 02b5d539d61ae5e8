"""The projector as networks see it: what a small detail does does not depend on the scanner's size.

The adjoint grows with the number of views; divided by its own sums it is the mean over the rays of
a pixel. Along rays there are sums, in centimetres: the mean along a ray would make a detail the
fainter the longer the ray. So what a network learns of details with a small field and few views
holds for a large one and many.
"""

import functools

import torch
from torch import Tensor

from medacuity.physics.filters import ramp_filter
from medacuity.physics.geometry import Geometry, Grid
from medacuity.physics.radon import Radon, inverse

CM = 10.0  # mm


class Averages:
    """``A``, and ``C A*`` with one over the sums of the columns of ``A`` in C.

    Args:
        operator: ``A``.

    Shape:
        `along` takes ``(B, C, I, J)`` to ``(B, C, views, bins)``, `over` and `sharp` the other
        way. All have gradients.
    """

    def __init__(self, operator: Radon) -> None:
        self.operator = operator
        self.lengths = operator(torch.ones(1, 1, *operator.grid.shape))
        """Of every ray within the field of view, in mm."""
        views = torch.ones(1, 1, operator.geometry.views, operator.geometry.bins)
        self.columns = inverse(operator.adjoint(views), least=1e-3)

    def along(self, x: Tensor) -> Tensor:
        """Return the sums of an image along every ray, in cm times its unit."""
        return torch.as_tensor(self.operator(x) / CM)

    def over(self, y: Tensor) -> Tensor:
        """Return the mean, for every pixel, over the rays that meet it."""
        return torch.as_tensor(self.columns.to(y) * self.operator.adjoint(y))

    def sharp(self, y: Tensor) -> Tensor:
        """Return `over` of rays that were ramp-filtered, so that ``sharp(along(x))`` is near x."""
        return torch.as_tensor(self._level * self._filtered(y))

    def told(self, y: Tensor, weights: Tensor) -> Tensor:
        """Return what is known of every ray, ``(B, 2, views, bins)``: its sum, and how surely.

        Args:
            y: Line integrals ``(B, 1, views, bins)``.
            weights: One over their variance.
        """
        return torch.cat([y, weights.clamp(min=1e-12) ** -0.5], 1) / CM

    def _filtered(self, y: Tensor) -> Tensor:
        pitch = self.operator.geometry.pitch / self.operator.geometry.magnification
        return self.over(ramp_filter(y * CM, pitch=pitch))

    @functools.cached_property
    def _level(self) -> float:
        """What makes an image come back as large as it was, measured on a disc."""
        u, v = self.operator.grid.places()
        radius = torch.from_numpy((u[:, None] / abs(u).max()) ** 2 + (v / abs(v).max()) ** 2)
        disc = (radius < 0.25).float()[None, None]
        back = self._filtered(self.along(disc))
        return float((disc * disc).sum() / (disc * back).sum())


@functools.lru_cache(maxsize=4)
def interleaved(geometry: Geometry, grid: Grid, parts: int) -> tuple[Averages, ...]:
    """Return operators for views ``n, n + parts, n + 2 parts...`` of a scan, for each n.

    There are fewer where ``parts`` does not divide the number of views.

    Example:
        >>> from medacuity.physics.geometry import parallel
        >>> scan = parallel(9, bins=8, pitch=1.0)
        >>> [part.operator.geometry.views for part in interleaved(scan, Grid((4, 4), (1, 1)), 4)]
        [3, 3, 3]
    """
    count = max(n for n in range(1, parts + 1) if geometry.views % n == 0)
    with torch.inference_mode(mode=False):  # kept for later, and later something may be learnt
        return tuple(
            Averages(Radon(geometry.select(range(n, geometry.views, count)), grid))
            for n in range(count)
        )
