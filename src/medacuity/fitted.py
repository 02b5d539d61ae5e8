"""A translator at its own spacing and size, whatever those of the scan."""

from collections.abc import Callable, Sequence
from itertools import product
from math import ceil, prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from medacuity.errors import LimitExceeded
from medacuity.memory import bytes_per_voxel
from medacuity.nd import pad_to_multiple
from medacuity.resize import cubic, nearest, resize
from medacuity.tiling import tile_for

SMALLEST = 8  # voxels per axis below which there is nothing to see
THIN = 0.25  # of the mean brightness: below it an image shows next to nothing
COPIES = 8  # float32 images that resampling and blending hold beside the features
PROBED = 256**3  # voxels of the largest image on which memory is measured


class Fitted:
    """A network that sees images resampled to its spacing and padded to what it can take.

    It gives images of the size that came in. A network that normalises what it sees (without a
    halo) has no exact tiles; over a volume larger than its training patches it runs in windows
    of that size, half overlapping, which are blended: its statistics are then those of training.
    And of an image that shows next to nothing it would make very much: such slices and windows
    are shown to it beside the fullest one, and their half of the result is kept.

    Args:
        network: From images to images of the same size.
        size: Voxels per axis to resample to.
        patch: Size of the windows of a 3D network without halo; empty: all at once.
        labels: Classes of a label map, which is resampled by nearest neighbour and shown as one
            channel for each; 0: the input is an image.
        report: Called with the windows done and to do, where there are several.
    """

    halo: int | None = None  # tiling must show it whole images
    multiple = 1

    def __init__(
        self, network: Any, size: Sequence[int], *, patch: Sequence[int] = (), labels: int = 0,
        report: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:  # fmt: skip
        self.network, self.size, self.labels, self.report = network, tuple(size), labels, report
        self.dims = len(self.size)
        self.scale = (1,) * self.dims
        self.smallest = ceil(SMALLEST / network.multiple) * int(network.multiple)
        windowed = bool(patch) and self.dims == 3 and network.halo is None
        self.window = tuple(map(min, patch, self.size)) if windowed else self.size
        self.full: Tensor | None = None
        self.least = 0.0

    def lean_on(self, full: Tensor, *, mean: float) -> None:
        """Name the fullest of several images, and the mean of all; needed where some are thin."""
        if self.network.halo is None and self.window == self.size:
            self.full, self.least = self._resized(full), THIN * mean

    def __call__(self, x: Tensor, /) -> Tensor:
        """Return the image that belongs to ``x``, voxel for voxel."""
        given = self._resized(x)
        if self.window == self.size:
            y = self._shown(given, self.full, self.least)
        else:
            y = self._blended(given)
        return resize(y, x.shape[2:], cubic)

    def tile(self, corner: Tensor, shape: Sequence[int], *, budget_bytes: float) -> tuple[int, ...]:
        """Return how many images of ``shape``, and their size, fit into a budget.

        Args:
            corner: Some voxels of an image: memory is measured on them.
            shape: ``(B, C, *S)`` of all images.
            budget_bytes: Memory that images and features may take.

        Raises:
            LimitExceeded: Not one does.
        """
        if self.smallest**self.dims > PROBED:
            raise LimitExceeded(f"the network takes {self.smallest} voxels per axis at the least")
        need = bytes_per_voxel(self.network, self._padded(self._channels(corner)))
        window = prod(ceil(n / self.smallest) * self.smallest for n in self.window)
        several = 1 if self.full is None and self.window == self.size else 2
        image = several * need * window + COPIES * 4 * prod(self.size)
        return tile_for(
            self, shape, budget_bytes=budget_bytes, bytes_per_voxel=image / prod(shape[2:])
        )

    def _resized(self, x: Tensor) -> Tensor:
        return resize(x, self.size, nearest if self.labels else cubic)

    def _channels(self, x: Tensor) -> Tensor:
        """Return one channel for each label of a label map; an image as it is."""
        if not self.labels:
            return x
        labels = x[:, 0].round().long().clamp(0, self.labels - 1)
        return F.one_hot(labels, self.labels).movedim(-1, 1).float()

    def _padded(self, x: Tensor) -> Tensor:
        """Repeat the far edge until the network can take the image."""
        short = [max(0, self.smallest - n) for n in x.shape[2:]]
        x = F.pad(x, [pad for n in reversed(short) for pad in (0, n)], mode="replicate")
        return pad_to_multiple(x, self.network.multiple)

    def _whole(self, x: Tensor) -> Tensor:
        y: Tensor = self.network(self._padded(self._channels(x))).float()
        return y[(slice(None), slice(None), *(slice(n) for n in x.shape[2:]))]

    def _shown(self, x: Tensor, full: Tensor | None, least: float) -> Tensor:
        """Run over images; those that show next to nothing stand beside one that shows much."""
        thin = x.flatten(1).mean(1) < least
        if full is None or not thin.any():
            return self._whole(x)
        pairs = torch.cat([x[thin], full.expand(int(thin.sum()), *full.shape[1:])], -1)
        kept = self._whole(pairs)[..., : x.shape[-1]]
        y = kept.new_empty(len(x), *kept.shape[1:])
        y[thin] = kept
        if not thin.all():
            y[~thin] = self._whole(x[~thin])
        return y

    def _blended(self, x: Tensor) -> Tensor:
        """Run over windows and take their mean, each counting most in its middle."""
        weight = torch.ones((), device=x.device)
        for n in self.window:
            rise = torch.sin(torch.pi * (torch.arange(n, device=x.device) + 0.5) / n).square()
            weight = weight[..., None] * rise
        total, sums = torch.zeros(x.shape[2:], device=x.device), None
        starts = list(product(*map(_starts, x.shape[2:], self.window)))
        places: list[Any] = [
            (..., *(slice(a, a + n) for a, n in zip(start, self.window, strict=True)))
            for start in starts
        ]
        means = [float(x[place].mean()) for place in places]
        full, least = x[places[int(np.argmax(means))]], THIN * float(np.mean(means))
        for done, place in enumerate(places, start=1):
            part = weight * self._shown(x[place], full, least)
            if sums is None:  # only now is it known how many channels there are
                sums = part.new_zeros(*part.shape[:2], *x.shape[2:])
            sums[place] += part
            total[place] += weight
            self.report(done, len(places))
        return torch.as_tensor(sums) / total


def _starts(size: int, window: int) -> list[int]:
    """Return where windows begin that overlap by half or more, evenly spread.

    Example:
        >>> _starts(100, 40)
        [0, 20, 40, 60]
    """
    count = ceil(2 * (size - window) / window) + 1
    return [int(n) for n in np.linspace(0, size - window, count).round()]
