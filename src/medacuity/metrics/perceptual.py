"""How different two images look: the distance between their features, one number per image."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from medacuity.errors import UsageError

Network = Callable[[Tensor], Sequence[Tensor]]
"""``network(x)`` -> one or several layers ``(B, F, *S)``: ours, VGG19 or a user's own."""

FLOOR = 0.1
"""Length of a feature vector below which it fades: where there is no signal, as in air, noise
would otherwise be stretched to a full one."""


def perceptual(
    prediction: Tensor, target: Tensor, *, network: Network,
    importance: Sequence[float] | Tensor | None = None, floor: float = FLOOR,
) -> Tensor:  # fmt: skip
    """Return the perceptual distance, 0 where the images are identical.

    As in Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
    Metric", CVPR 2018: feature vectors are brought to length 1 at every place, their squared
    differences summed over the features, averaged over the places, and the layers added up.
    It can be differentiated with respect to both images.

    Args:
        prediction: What is judged.
        target: The truth; the two may change sides.
        network: Features, scaled to what it was trained on by itself.
        importance: Weight of each layer; None: all of them count 1.
        floor: A length that is added to every vector's, as the root of a sum of squares.

    Shape:
        ``(B, C, *S)`` twice -> ``(B,)``.

    Raises:
        UsageError: The images differ in shape, or there are not as many weights as layers.

    Example:
        >>> truth = torch.rand(2, 1, 16, 16)
        >>> perceptual(truth, truth, network=lambda x: [torch.cat([x, 1 - x], 1)])
        tensor([0., 0.])
    """
    if prediction.shape != target.shape:
        raise UsageError(
            "prediction and target need one shape (batch, channels, space), got "
            f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        )
    ours, theirs = network(prediction), network(target)
    weights = torch.ones(len(ours)) if importance is None else torch.as_tensor(importance)
    if weights.shape != (len(ours),):
        raise UsageError(
            f"importance must be a number for each of {len(ours)} layers, got "
            f"{tuple(weights.shape)}"
        )
    total = torch.zeros(len(target), device=target.device)
    for own, other, weight in zip(ours, theirs, weights.to(target.device), strict=True):
        difference = unit(own.float(), floor=floor) - unit(other.float(), floor=floor)
        total = total + weight * difference.square().sum(1).flatten(1).mean(1)
    return total


def unit(layer: Tensor, *, floor: float) -> Tensor:
    """Divide the feature vector at every place by its length; short ones stay short."""
    return layer / (layer.square().sum(1, keepdim=True) + floor**2).sqrt()
