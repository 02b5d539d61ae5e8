"""Learned reconstruction: the network that fits a scan, and its image."""

import math
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medacuity.checkpoint import Trained, load_weights
from medacuity.errors import UsageError
from medacuity.nd import pad_to_multiple
from medacuity.physics.averages import interleaved
from medacuity.physics.fbp import fbp
from medacuity.physics.geometry import Geometry, Grid, widest_gap
from medacuity.physics.guided import gaussian, guided
from medacuity.physics.iterative import cgls
from medacuity.physics.radon import Radon
from medacuity.physics.tv import densest

FAMILIES = ("fbpconvnet", "primal-dual")
"""What `METHODS` offers; names of shipped weights begin with these."""

FEW_APART = 4.0
"""Pixels between neighbouring views at the rim, from which they are few."""

PART_APART = 4.6
"""The same within each of the parts that views are shared among: as in training."""

COARSE = 8.0
"""Pixels of a Gaussian beyond which TV's mean of few views is right, not what a network thinks."""

NARROW, USUAL, WIDEST = 3.0, 0.1, 4.0
"""Pixels of a Gaussian over which a residual is averaged; the noise, over water, up to which that
is enough; how many times as wide it may be."""

ALIKE = 0.06
"""Over water: what differs by less is averaged together; of noisier residuals by the root more."""

FITTED, WRONG = 2, 0.012
"""Steps towards few views, and how wrong over water a network is expected to be before them."""

SIDE = 30.0
"""Degrees that no ray comes from, at which even the mean of a region is not in the data."""

AT_A_TIME = 4
"""Slices that a network is given together."""


def weights_for(method: str, geometry: Geometry, grid: Grid) -> str:
    """Return the name of the shipped weights that fit a scan.

    Example:
        >>> from medacuity.physics.geometry import lodopab
        >>> weights_for("primal-dual", *lodopab())
        'primal-dual-low-dose'
    """
    few = _apart(geometry, grid) > FEW_APART
    return f"{method}-{'sparse' if few else 'low-dose'}"


@lru_cache(maxsize=2)
def reconstructor(weights: str) -> Trained:
    """Return a network that reconstructs.

    Raises:
        UsageError: The weights are for something else.
    """
    trained = load_weights(weights)
    trained.card.expect("reconstruct", weights)
    return trained


def image_of(
    y: Tensor, sure: Tensor, least: Tensor, *, operator: Radon, water: float, trained: Trained
) -> Tensor:
    """Return what a network makes of line integrals, and of the image of least total variation.

    Args:
        y: Line integrals ``(B, 1, views, bins)``.
        sure: One over their variance.
        least: What networks start from, ``(B, 1, I, J)``, attenuation per mm.
        operator: The projector onto the pixels wanted.
        water: Attenuation per mm that networks are to take for water.
        trained: The network.

    Shape:
        -> ``(B, 1, I, J)``, attenuation per mm.
    """
    scan, grid = operator.geometry, operator.grid
    count = max(1, math.floor(PART_APART / _apart(scan, grid)))
    parts = interleaved(scan, grid, count)
    model: Any = trained.model.to(y.device)  # of one of the classes in RECONSTRUCTORS
    (whole,) = interleaved(scan, grid, 1)

    beside = int(trained.card.arguments.get("beside", 0))
    whole_turn = widest_gap(scan) < SIDE
    many = _apart(scan, grid) <= FEW_APART

    def image(y: Tensor, sure: Tensor, least: Tensor) -> Tensor:
        filtered = fbp(y, scan, grid, window="hann")
        start = torch.cat([least, filtered], 1)[:, : 1 + beside]
        if trained.card.network == "PrimalDual":
            x = model(start, whole.told(y, sure), parts)
        else:
            fits = pad_to_multiple(start, int(model.multiple))
            x = model.steady(fits)[:, :, : grid.shape[0], : grid.shape[1]]
        if not whole_turn:
            return torch.as_tensor(x)
        if not many:
            x = x + gaussian(least - x, COARSE)
            x = x + left_out(y, operator, x)
        return torch.as_tensor(x + unsaid(fbp(y - operator(x), scan, grid, window="hann"), x))

    given = (y / water, sure * water**2, least / water)
    with torch.no_grad():
        slices = zip(*(torch.split(side, AT_A_TIME) for side in given), strict=True)
        return water * torch.cat([image(*some) for some in slices])


def unsaid(residual: Tensor, x: Tensor) -> Tensor:
    """Return what an image still lacks of a back-projected residual ``(B, 1, I, J)``, noise apart.

    The residual of rays is right on average, where an image of least total variation draws
    tissues together and a network draws everything to what is likely; but it is mostly noise.
    So it is averaged over what is alike in the image, the wider the noisier it is: the noise of
    back-projection falls with the 3/2 power of the width. The noisier it is, the more is alike:
    streaks must not be taken for contrasts.
    """
    noisier = (residual.square().mean((1, 2, 3)).sqrt() / USUAL).clamp(min=1.0)
    widths = NARROW * (noisier ** (2 / 3)).clamp(max=WIDEST)
    each = zip(
        torch.split(residual, 1), torch.split(x, 1), widths.tolist(),
        (ALIKE * noisier.sqrt()).tolist(), strict=True,
    )  # fmt: skip
    return torch.cat([guided(r, like, width=width, least=least) for r, like, width, least in each])


def left_out(y: Tensor, operator: Radon, x: Tensor) -> Tensor:
    """Return what an image ``(B, 1, I, J)`` still lacks of few rays, as far as they can be trusted.

    Two steps of conjugate gradients from the image towards the rays bring what networks left out.
    They bring noise too. Were its size known, the share to be taken would be Wiener's: errors
    over errors and noise, in squares. All that the steps change is taken for noise, so that
    noisy scans lose nothing: what is added has a root mean square of `WRONG` / 2 at most.
    """
    *_, step = islice(cgls(y, operator, start=x), FITTED + 1)
    change = step.x - x
    noise = change.square().mean((1, 2, 3), keepdim=True)
    return change * WRONG**2 / (WRONG**2 + noise)


def level_of(least: Tensor) -> float:
    """Return the attenuation to be taken for water where a file does not say: of its densest part.

    Raises:
        UsageError: There is nothing in the field of view.
    """
    level = densest(least[:1])
    if not 0 < level < math.inf:
        raise UsageError("there is nothing in the scan that a network could go by; use fbp or tv")
    return level


def _apart(geometry: Geometry, grid: Grid) -> float:
    """Return how many pixels lie between neighbouring views at the rim of the image."""
    angles = np.unique(np.round(np.mod(geometry.angles_deg, 360), 6))
    gap = np.median(np.diff(angles)) if len(angles) > 1 else 180.0
    return float(np.deg2rad(gap) * max(grid.shape) / 2)
