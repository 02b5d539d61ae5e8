"""How well label maps agree: Dice, one number per image and class."""

import torch
from torch import Tensor

from medacuity.errors import UsageError


def dice(prediction: Tensor, target: Tensor, *, label: int) -> Tensor:
    """Return the Dice coefficient of a class: voxels that both have, over the mean of both.

    ``2 |A and B| / (|A| + |B|)``, from 0 to 1 (Dice, "Measures of the Amount of Ecologic
    Association Between Species", Ecology 1945). Where neither has the class they agree, and it is
    1; where one alone has it, it is 0.

    Args:
        prediction: Labels, whole numbers.
        target: The true ones.
        label: The class.

    Shape:
        ``(B, *S)`` twice -> ``(B,)``, double precision; a volume is one image of three axes.

    Raises:
        UsageError: Shapes differ.

    Example:
        >>> dice(torch.tensor([[1, 1, 2, 0]]), torch.tensor([[1, 2, 2, 0]]), label=2)
        tensor([0.6667], dtype=torch.float64)
    """
    if prediction.shape != target.shape:
        raise UsageError(
            f"label maps must have one shape, got {tuple(prediction.shape)} and "
            f"{tuple(target.shape)}"
        )
    a, b = ((x == label).flatten(1) for x in (prediction, target))
    both = (a & b).sum(1, dtype=torch.float64)
    either = a.sum(1, dtype=torch.float64) + b.sum(1, dtype=torch.float64)
    return torch.where(either > 0, 2 * both / either.clamp(min=1), 1.0)


def dices(prediction: Tensor, target: Tensor, *, classes: int) -> Tensor:
    """Return the Dice coefficients of classes 1 to ``classes - 1``; 0 is what lies outside.

    Shape:
        ``(B, *S)`` twice -> ``(B, classes - 1)``, double precision.
    """
    return torch.stack(
        [dice(prediction, target, label=label) for label in range(1, classes)], dim=1
    )
