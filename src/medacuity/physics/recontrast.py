"""A real image in another contrast: tissues get other brightnesses, texture and noise stay.

What happens to a scan when tissues change their brightness, and nothing else does. It makes test
cases with a known truth in contrasts that nobody has scanned this patient in.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from medacuity.physics.pet_scanner import blurred

REACH = 1.8  # voxels: full width at half maximum within which tissues share a voxel
PURE = 0.95  # share from which a voxel counts as one tissue


def recontrasted(x: Tensor, labels: Tensor, *, means: Sequence[float], gain: float = 1.0) -> Tensor:
    """Return an image whose tissues have other means.

    Near a border a voxel is a mixture of the tissues around it. Which mixture, the image decides:
    the shares ``a`` start as those of the labels around, ``p``, and are moved towards what
    explains the brightness ``x``, by the linear Bayesian estimate

    ``a = p + C m (x - p'm) / (m'C m + s^2)``, with ``C = diag(p) - p p'``,

    where ``m`` are the tissues' means in the image and ``s`` the spread of its pure voxels. Then
    ``a'm`` is replaced by the same mixture of the new means, and the rest, ``x - a'm``, which is
    texture and noise, is added as it was. Far from borders ``C`` is 0 and a tissue is shifted as
    a whole; at a border the partial volume is the image's own.

    Args:
        x: An image, or slices of one.
        labels: Its tissues, whole numbers from 0.
        means: Brightness that each label is to have, in the unit of ``x``.
        gain: Factor of texture and noise.

    Shape:
        ``(B, 1, *S)`` and ``(B, *S)`` -> ``(B, 1, *S)``, at least 0.

    Example:
        >>> labels = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]]).repeat(8, 1)[None]
        >>> x = 0.2 + 0.5 * labels[:, None].float()
        >>> bool((recontrasted(x, labels, means=[0.9, 0.4])[0, 0, 4, [0, 7]].round(decimals=3)
        ...       == torch.tensor([0.9, 0.4])).all())
        True
    """
    shares, old = explained(x, labels, count=len(means))
    return with_means(x, shares, old=old, new=means, gain=gain)


def explained(x: Tensor, labels: Tensor, *, count: int) -> tuple[Tensor, Tensor]:
    """Return the share of each tissue in each voxel, ``a`` above, and the tissues' means, ``m``.

    Shape:
        ``(B, 1, *S)`` and ``(B, *S)`` -> ``(B, count, *S)`` and ``(count,)``.
    """
    dims = labels.ndim - 1
    share = one_hot(labels, count).movedim(-1, 1).to(x.dtype)
    around = blurred(share, fwhm=REACH, spacing=[1.0] * dims)
    around = around / around.sum(1, keepdim=True).clamp(min=1e-6)
    means, spread = tissue_means(x, share, around)
    old = means.reshape(count, *[1] * dims)
    expected = (around * old).sum(1, keepdim=True)
    moved = around * (old - expected)  # C m
    variance = (moved * old).sum(1, keepdim=True)  # m'C m
    mixed = around + moved * (x - expected) / (variance + spread**2).clamp(min=1e-9)
    mixed = mixed.clamp(min=0)
    return mixed / mixed.sum(1, keepdim=True).clamp(min=1e-6), means


def with_means(
    x: Tensor, shares: Tensor, *, old: Tensor, new: Sequence[float], gain: float = 1.0
) -> Tensor:
    """Return ``x`` with the mixture of the old means replaced by that of new ones.

    Args:
        x: The image.
        shares: Of each tissue in each voxel, from `explained`.
        old: The tissues' means, from `explained`.
        new: What they are to be.
        gain: Factor of texture and noise.
    """
    shape = (len(new), *[1] * (x.ndim - 2))
    before, after = (
        (shares * torch.as_tensor(means, dtype=x.dtype).reshape(shape)).sum(1, keepdim=True)
        for means in (old, new)
    )
    return (after + gain * (x - before)).clamp(min=0)


def tissue_means(x: Tensor, share: Tensor, around: Tensor) -> tuple[Tensor, float]:
    """Return the mean of each tissue's pure voxels, and their spread over all tissues but air.

    Args:
        x: The image ``(B, 1, *S)``.
        share: 1 where a voxel is of the tissue ``(B, K, *S)``.
        around: Share of each tissue in the voxels around ``(B, K, *S)``.
    """
    means, squares, voxels = [], 0.0, 0
    for label in range(share.shape[1]):
        own, pure = share[:, label] > 0, around[:, label] > PURE
        values = x[:, 0][own & pure] if (own & pure).any() else x[:, 0][own]
        mean = values.mean() if len(values) else x.new_zeros(())
        means.append(mean)
        if label:
            squares += float((values - mean).square().sum())
            voxels += len(values)
    return torch.stack(means), (squares / max(voxels, 1)) ** 0.5
