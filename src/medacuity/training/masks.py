"""Label maps and the scans that belong to them: what a network from anatomy to image learns."""

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from medacuity.errors import UsageError
from medacuity.foreground import MARGIN, TISSUE, foreground
from medacuity.intensity import Rule
from medacuity.regrid import labels_onto, onto, upright
from medacuity.training.cases import Case
from medacuity.training.degraded import read_scan

FEWEST = 0.02  # of a slice's pixels: with fewer that are labelled it has little to teach


def make_masks(case: Case, *, count: int, spacing: float, intensity: Rule) -> tuple[Tensor, Tensor]:
    """Return the axial slices of a label map, a channel for each label, and of its scan.

    Labels are whole numbers and are never scaled; the scan is, by its own brightness.

    Args:
        case: Its path is the label map's, its target the scan's.
        count: Labels there are, with 0.
        spacing: mm of the grid that both are brought to.
        intensity: Rule of the scan.

    Shape:
        ``(N, count, H, W)`` and ``(N, 1, H, W)``.

    Raises:
        UsageError: There is no scan, or labels are not whole numbers from 0 to ``count - 1``.
    """
    if case.target is None:
        raise UsageError(f"{case.path} has no scan beside it")
    labels, scan = read_scan(case.path), read_scan(case.target)
    values = labels.array
    if not (values.min() >= 0 and values.max() < count and (values == values.round()).all()):
        raise UsageError(f"labels must be whole numbers from 0 to {count - 1}", path=case.path)
    grid = upright(scan, (spacing, spacing, spacing))
    mask, image = labels_onto(labels, grid), onto(scan, grid).array
    box = foreground(mask, above=TISSUE, margin=(MARGIN, MARGIN, 0))  # as `synthesize` sees it
    scaled = torch.from_numpy(intensity.of(scan.array).to_unit(image[box])).movedim(2, 0)[:, None]
    maps = torch.from_numpy(mask[box]).movedim(2, 0)[:, None]
    kept = (maps > 0).flatten(1).float().mean(1) > FEWEST
    return channel_each(maps[kept], count), scaled[kept]


def channel_each(labels: Tensor, count: int) -> Tensor:
    """Return a channel for each label.

    Shape:
        ``(B, 1, *S)``, whole numbers -> ``(B, count, *S)``, 0 or 1.

    Example:
        >>> channel_each(torch.tensor([[[0, 2]]]), 3)[0]
        tensor([[1., 0.],
                [0., 0.],
                [0., 1.]])
    """
    return one_hot(labels[:, 0].long(), count).movedim(-1, 1).float()


class OfLabels(nn.Module):
    """A network that takes a channel for each label, made to take label maps from 0 to 1.

    Args:
        network: What takes the channels.
        count: Labels there are, with 0.
    """

    def __init__(self, network: nn.Module, count: int) -> None:
        super().__init__()
        self.network, self.count = network, count

    def forward(self, x: Tensor) -> Tensor:
        """Return the image that belongs to a map whose highest label is 1."""
        labels = (x * (self.count - 1)).round()
        image: Tensor = self.network(channel_each(labels, self.count))
        return image
