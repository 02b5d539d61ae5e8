"""What training minimises; each takes prediction and target and returns one number."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

Loss = Callable[[Tensor, Tensor], Tensor]
"""``loss(prediction, target)`` -> a scalar to minimise."""


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error."""
    return (prediction - target).square().mean()


def l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error."""
    return (prediction - target).abs().mean()


def charbonnier(prediction: Tensor, target: Tensor, *, epsilon: float = 1e-3) -> Tensor:
    """Mean of ``sqrt(d^2 + epsilon^2)``: L1 with a round bottom (Lai et al., CVPR 2017)."""
    return torch.sqrt((prediction - target).square() + epsilon**2).mean()


def charbonnier_sum(prediction: Tensor, target: Tensor, *, epsilon: float = 1e-3) -> Tensor:
    """`charbonnier` summed over an image, averaged over the batch: the scale of LapSRN's paper.

    Learning rates go with the normalisation: the mean is smaller by the size of a patch.
    """
    return torch.sqrt((prediction - target).square() + epsilon**2).sum() / len(prediction)


def half_squares(prediction: Tensor, target: Tensor) -> Tensor:
    """Half the sum of squares over an image, averaged over the batch: the scale of VDSR's paper."""
    return (prediction - target).square().sum() / (2 * len(prediction))


def decibel(prediction: Tensor, target: Tensor, *, floor: float = 3e-6) -> Tensor:
    """Mean over the batch of ``10 log10(MSE + floor)``: minus the PSNR in unit range.

    Each patch counts by the *ratio* of its error, so that a sharp noisy head and a smooth
    scan that its scanner has interpolated already both have to get better.

    Args:
        prediction: ``(B, C, *S)``, unit range.
        target: Same shape.
        floor: Mean squared error below which there is nothing left to gain (3e-6: 55 dB).
    """
    error = (prediction - target).square().flatten(1).mean(1)
    return 10 * torch.log10(error + floor).mean()


def median_and_spread(prediction: Tensor, target: Tensor, *, weight: float = 0.02) -> Tensor:
    """L1 of the first half of the channels, and how well the second tells its error.

    The second half is the logarithm of the mean absolute error that is to be expected: the
    likelihood of a Laplace distribution, in which the error itself is taken as given. So the
    image is the one that L1 alone would give, and what varies about it gets a width.

    Args:
        prediction: ``(B, 2 C, *S)``.
        target: ``(B, C, *S)``.
        weight: Of the width's part.

    Example:
        >>> sure, unsure = (torch.tensor([[[0.0], [s]]]) for s in (-5.0, 0.0))
        >>> bool(median_and_spread(unsure, torch.ones(1, 1, 1))
        ...      < median_and_spread(sure, torch.ones(1, 1, 1)))
        True
    """
    median, spread = prediction.chunk(2, 1)
    error = (median - target).abs()
    spread = spread.clamp(-9, 2)
    likely = error.detach() * torch.exp(-spread) + spread
    return error.mean() + weight * likely.mean()


def cross_entropy_and_dice(prediction: Tensor, target: Tensor, *, weight: float = 0.5) -> Tensor:
    """Cross entropy of labels, and one minus their soft Dice, which small classes count in as much.

    The soft Dice of a class takes probabilities for voxels, over the whole batch; class 0, what
    lies outside, is left out of it.

    Args:
        prediction: Logits ``(B, K, *S)``.
        target: Labels ``(B, 1, *S)``, whole numbers from 0 to K - 1.
        weight: Of the Dice's part; the rest is cross entropy's.

    Example:
        >>> target = torch.tensor([[[[0, 1]]]])
        >>> sure = 20 * torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
        >>> float(cross_entropy_and_dice(sure, target)) < 1e-6
        True
    """
    labels = target[:, 0].long()
    share = prediction.softmax(1)
    truth = one_hot(labels, prediction.shape[1]).movedim(-1, 1).to(share.dtype)
    axes = (0, *range(2, prediction.ndim))
    both, either = (share * truth).sum(axes)[1:], (share + truth).sum(axes)[1:]
    overlap = (2 * both + 1e-3) / (either + 1e-3)
    return (1 - weight) * cross_entropy(prediction, labels) + weight * (1 - overlap.mean())
