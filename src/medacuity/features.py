"""Our feature network at hand: what two images look like to it, and how far apart they are."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from torch import Tensor

from medacuity.checkpoint import load_weights
from medacuity.errors import WeightsRefused
from medacuity.metrics.distribution import embed
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


def described(batches: Iterable[Tensor]) -> Tensor:
    """Return a row of features per image, for FID, KID and what lies near what.

    The means over all places of the compared layers, side by side. Training brings feature
    vectors to a length of about 1; here they are made longer, by the root of how many features
    there are, so that a single one is near 1. The kernel of KID is made for such numbers: with
    small ones it would see means and nothing else.

    Args:
        batches: Images ``(B, 1, H, W)``, unit range; sizes may differ between batches.

    Shape:
        ``(B, 1, H, W)`` each -> ``(N, 288)``, double precision.

    Example:
        >>> import torch
        >>> described([torch.rand(3, 1, 32, 32)]).shape
        torch.Size([3, 288])
    """
    network = _kept()
    return embed(
        batches, network=lambda x: [y * y.shape[1] ** 0.5 for y in network.to(x.device)(x)]
    )


@cache
def _kept() -> FeatureNet:
    return medical_features()
