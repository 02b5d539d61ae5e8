"""Where the rays of a CT scan run and where the pixels lie: two records in mm, and lines.

The axis of rotation is the origin. Pixel ``(i, j)`` of a tensor ``(B, C, I, J)`` lies at ``u``
along the first axis and ``v`` along the second. Every ray, of whatever beam, is a line
``u cos(phi) + v sin(phi) = s``; projectors know lines and nothing of beams.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medacuity.errors import UsageError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Pixels of a slice, in mm from the axis of rotation.

    Args:
        shape: Pixels along the first and second axis of the image.
        spacing: Distance in mm between neighbours along each of them.
        centre: Where the middle of the field of view lies; (0, 0) is the axis of rotation.

    Example:
        >>> Grid((4, 2), (1.0, 2.0)).places()
        (array([-1.5, -0.5,  0.5,  1.5]), array([-1.,  1.]))
    """

    shape: tuple[int, int]
    spacing: tuple[float, float]
    centre: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if len(self.shape) != 2 or any(n < 1 for n in self.shape):
            raise UsageError(f"a grid needs 2 sizes of at least 1 pixel, got {self.shape}")
        if len(self.spacing) != 2 or not all(0 < mm < math.inf for mm in self.spacing):
            raise UsageError(f"spacing needs 2 lengths above 0 mm, got {self.spacing}")
        if len(self.centre) != 2 or not all(math.isfinite(mm) for mm in self.centre):
            raise UsageError(f"centre needs 2 finite places in mm, got {self.centre}")

    def places(self) -> tuple[Floats, Floats]:
        """Return the mm of every pixel's centre along the two axes."""
        (i, j), (du, dv), (u, v) = self.shape, self.spacing, self.centre
        return _row(i, du, u), _row(j, dv, v)

    @property
    def reach(self) -> float:
        """How far in mm the grid's outermost corner lies from the axis of rotation."""
        return math.hypot(
            *(abs(c) + n * mm / 2
              for n, mm, c in zip(self.shape, self.spacing, self.centre, strict=True))
        )  # fmt: skip


class Lines(NamedTuple):
    """Every ray as ``u cos(phi) + v sin(phi) = s``; both arrays are ``(views, bins)``."""

    phi: Floats
    s: Floats


@dataclass(frozen=True)
class Geometry:
    """The rays of a CT scan of one slice: parallel, or a fan onto a flat or curved detector.

    At angle ``beta`` the detector's bins run along ``(cos beta, sin beta)`` and the source of a
    fan stands at ``source * (-sin beta, cos beta)``, so that a fan from ever further away
    becomes the parallel beam. (Kak and Slaney, "Principles of Computerized Tomographic Imaging",
    chapter 3, has the same frame.)

    Args:
        angles_deg: Of every view, any list in any order.
        bins: Of the detector.
        pitch: Distance in mm between bins, on the detector (along the arc of a curved one).
        shift: Where the detector's middle lies along its bins, in mm from the central ray.
        source: Distance in mm from the source to the axis of rotation; infinite: parallel.
        detector: Distance in mm from the source to the detector; a fan needs it.
        curved: The detector is an arc around the source (equal angles), not flat.

    Raises:
        UsageError: A number is missing, not finite, or describes no scanner.

    Example:
        >>> fan = Geometry((0.0, 90.0), bins=3, pitch=1.0, source=100.0, detector=200.0)
        >>> fan.lines().s.round(3)
        array([[-0.5,  0. ,  0.5],
               [-0.5,  0. ,  0.5]])
    """

    angles_deg: tuple[float, ...]
    bins: int
    pitch: float
    shift: float = 0.0
    source: float = math.inf
    detector: float = math.inf
    curved: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "angles_deg", tuple(float(a) for a in self.angles_deg))
        if not self.angles_deg or not all(map(math.isfinite, self.angles_deg)):
            raise UsageError("angles_deg needs at least one angle, and all of them finite")
        if self.bins < 1 or not 0 < self.pitch < math.inf or not math.isfinite(self.shift):
            raise UsageError(
                "a detector needs bins >= 1, pitch > 0 mm and a finite shift, got "
                f"{self.bins}, {self.pitch}, {self.shift}"
            )
        if self.parallel and (self.curved or math.isfinite(self.detector)):
            raise UsageError("a parallel beam has no source: give source, or leave detector out")
        if not self.parallel and not 0 < self.source < self.detector < math.inf:
            raise UsageError(
                "a fan needs 0 < source < detector in mm (source to axis, source to detector), "
                f"got {self.source} and {self.detector}"
            )
        if not np.abs(self.gamma()).max() < math.pi / 2:
            raise UsageError("the fan must open less than 90 degrees to each side")

    @property
    def parallel(self) -> bool:
        """Whether all rays of a view are parallel."""
        return math.isinf(self.source) and self.source > 0

    @property
    def views(self) -> int:
        """How many views there are."""
        return len(self.angles_deg)

    @property
    def magnification(self) -> float:
        """How much larger than at the axis of rotation things are on the detector."""
        return 1.0 if self.parallel else self.detector / self.source

    @property
    def beta(self) -> Floats:
        """The angle of every view, in radians."""
        return np.asarray(np.deg2rad(self.angles_deg), dtype=np.float64)

    def taus(self) -> Floats:
        """Return the place of every bin along the detector, in mm from the central ray."""
        return _row(self.bins, self.pitch, self.shift)

    def gamma(self) -> Floats:
        """Return the angle in radians of every bin's ray with the central ray; 0 if parallel."""
        if self.parallel:
            return np.zeros(self.bins)
        share = self.taus() / self.detector
        return np.asarray(share if self.curved else np.arctan(share))

    def lines(self) -> Lines:
        """Return the line of every ray."""
        gamma = self.gamma()
        s = self.taus() if self.parallel else self.source * np.sin(gamma)
        phi = self.beta[:, None] + gamma
        return Lines(phi, np.broadcast_to(s, phi.shape))

    @property
    def radius(self) -> float:
        """How far from the axis of rotation every view still sees both sides, in mm."""
        s = self.lines().s[0]
        return float(max(min(-s.min(), s.max()), 0.0))

    def select(self, views: Sequence[int]) -> "Geometry":
        """Return the geometry of some of the views, by their numbers."""
        angles = tuple(self.angles_deg[n] for n in views)
        return Geometry(
            angles, self.bins, self.pitch, shift=self.shift, source=self.source,
            detector=self.detector, curved=self.curved,
        )  # fmt: skip


def parallel(views: int, *, bins: int, pitch: float, span_deg: float = 180.0) -> Geometry:
    """Return a parallel beam with equally spaced views; the last angle is one step short.

    Example:
        >>> parallel(4, bins=8, pitch=1.0).angles_deg
        (0.0, 45.0, 90.0, 135.0)
    """
    return Geometry(_spread(views, span_deg), bins, pitch)


def fan(
    views: int, *, bins: int, pitch: float, source: float, detector: float,
    curved: bool = False, span_deg: float = 360.0,
) -> Geometry:  # fmt: skip
    """Return a fan beam with equally spaced views; the last angle is one step short."""
    angles = _spread(views, span_deg)
    return Geometry(angles, bins, pitch, source=source, detector=detector, curved=curved)


def lodopab() -> tuple[Geometry, Grid]:
    """Return the scan and the pixels of LoDoPaB-CT: 362 x 362 over 26 cm, 1000 views, 513 bins.

    The detector spans the diagonal of the field of view.
    """
    field = 260.0
    scan = parallel(1000, bins=513, pitch=field * math.sqrt(2) / 513)
    return scan, Grid((362, 362), (field / 362, field / 362))


def widest_gap(geometry: Geometry) -> float:
    """Return the widest gap between the directions of central rays, in degrees.

    Example:
        >>> round(widest_gap(parallel(30, bins=5, pitch=1.0, span_deg=60.0)))
        122
    """
    angles = np.sort(np.mod(geometry.angles_deg, 180))
    return float(np.diff(angles, append=angles[0] + 180).max())


def _row(n: int, step: float, middle: float) -> Floats:
    return np.asarray(middle + (np.arange(n) - (n - 1) / 2) * step, dtype=np.float64)


def _spread(views: int, span_deg: float) -> tuple[float, ...]:
    if views < 1 or not math.isfinite(span_deg):
        raise UsageError(f"views must be at least 1 over a finite span, got {views}, {span_deg}")
    return tuple(n * span_deg / views for n in range(views))
