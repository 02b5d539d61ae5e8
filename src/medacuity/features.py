"""Our feature network at hand: what two images look like to it, and how far apart they are."""

from functools import cache
from pathlib import Path

from torch import Tensor

from medacuity.checkpoint import load_weights
from medacuity.errors import WeightsRefused
from medacuity.metrics.perceptual import perceptual
from medacuity.models import FeatureNet

WEIGHTS = "features-mri-2d"
COMPARED = ("relu2_2", "relu3_2", "relu4_2")
"""Layers whose distance was trained to order damages; the first block sees single voxels."""


def medical_features(*layers: str, weights: str | Path = WEIGHTS) -> FeatureNet:
    """Return our feature network, trained and held still.

    Args:
        layers: Which layers it returns, such as ``"relu2_2"``; none: those to compare images by.
        weights: Name of shipped weights, or a file.

    Raises:
        WeightsRefused: The file holds another network.

    Example:
        >>> import torch
        >>> network = medical_features("relu2_2")
        >>> [tuple(layer.shape) for layer in network(torch.rand(1, 1, 32, 32))]
        [(1, 64, 16, 16)]
    """
    trained = load_weights(weights)
    if not isinstance(trained.model, FeatureNet):
        raise WeightsRefused(f"holds {trained.card.network}, not features", path=Path(weights))
    return trained.model.choose(*(layers or COMPARED))


def look_apart(prediction: Tensor, target: Tensor) -> Tensor:
    """Return how different images look: the perceptual distance on our feature network.

    Shape:
        ``(B, 1, H, W)`` twice, unit range -> ``(B,)``; 0 where they are identical.

    Example:
        >>> import torch
        >>> x = torch.rand(1, 1, 32, 32)
        >>> float(look_apart(x, x))
        0.0
    """
    network = _kept().to(target.device)
    return perceptual(prediction, target, network=network, importance=network.chosen_importance)


@cache
def _kept() -> FeatureNet:
    return medical_features()
