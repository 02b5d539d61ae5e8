"""Learn features that tell harm from what is harmless, by damages of a known kind and degree.

Three tasks share the network. *Order*: more of a damage is further from the truth; a harmless
change is nearer than harm of about the same mean squared error; and a structure that vanished is
further than as much noise. *Name*: tell from an image alone how it was damaged. *Tissue*: tell
fluid, grey and white matter apart, where somebody has labelled them.
"""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medacuity.metrics.perceptual import FLOOR, unit
from medacuity.models import FeatureNet
from medacuity.nd import conv
from medacuity.training.learners.descent import Descent
from medacuity.training.learners.supervised import Supervised, inner

TISSUES = 4  # air and bone, fluid, grey matter, white matter
UNKNOWN = 255
MARGIN, STEEPNESS = 0.15, 0.25  # of logarithms of distances
HARMLESS_UP_TO, NOISE_UP_TO = 4.0, 1.5  # times the MSE of the harm it is set against
SHARES = {"degree": 1.0, "harmless": 1.0, "local": 0.5, "name": 0.3, "tissue": 0.5, "size": 0.02}
"""What each part of the objective counts."""


class Lesson(NamedTuple):
    """Versions of the same patches, unit range, all ``(B, 1, *S)`` but for the last three.

    Args:
        input: The truth.
        milder: Some harm.
        worse: More of the same.
        harmless: A change that a reader would hardly mind, of about the same MSE.
        noisy: Noise of about the same MSE.
        kind: Number of the harm ``(B,)``; that of no harm is one more than the last.
        local: 1 where the harm is to a few places only, else 0 ``(B,)``.
        tissue: Labels from 0 to 3, or 255 throughout where nobody has labelled ``(B, 1, *S)``.
    """

    input: Tensor
    milder: Tensor
    worse: Tensor
    harmless: Tensor
    noisy: Tensor
    kind: Tensor
    local: Tensor
    tissue: Tensor


class Pupil(nn.Module):
    """A feature network and the heads that are left behind when it has learnt.

    Args:
        features: The network; its first block is compared by none of the tasks.
        kinds: How many kinds of harm there are.
    """

    def __init__(self, features: FeatureNet, *, kinds: int) -> None:
        super().__init__()
        self.features = features.choose(*features.names[3::2])
        widths = [features.widths[int(name[4]) - 1] for name in features.layers]
        self.kinds = kinds
        self.name = nn.Linear(2 * sum(widths), kinds + 1)
        self.tissue = conv(features.dims, sum(widths[-2:]), TISSUES, 1)


class Perceiving(Supervised):
    """Train a `FeatureNet`; what a run ends with is the network without the heads.

    Args:
        model: The network; trained in place.
        kinds: How many kinds of harm the lessons know.
        steps: Length of the whole schedule.
        descent: Optimiser, schedule and clipping.
    """

    def __init__(self, model: nn.Module, *, kinds: int, steps: int, descent: Descent) -> None:
        pupil = Pupil(cast(FeatureNet, inner(model)), kinds=kinds)
        super().__init__(pupil, objective=cast(Any, objective), steps=steps, descent=descent)

    @property
    def networks(self) -> list[nn.Module]:
        """The feature network."""
        return [cast(Pupil, self.model).features]


def objective(model: nn.Module, lesson: Lesson) -> Tensor:
    """Return the weighted sum of all tasks."""
    costs = tasks(cast(Pupil, model), lesson)
    return torch.stack([SHARES[name] * cost for name, cost in costs.items()]).sum()


def tasks(pupil: Pupil, lesson: Lesson) -> dict[str, Tensor]:
    """Return what each task costs."""
    layers, pairs = _compared(pupil.features, lesson)
    costs = {name: cost for name, (cost, _) in pairs.items()}
    costs["name"] = _named(pupil, layers, lesson.kind)
    costs["tissue"] = _segmented(pupil, layers, lesson.tissue)
    costs["size"] = torch.stack([x.square().sum(1).mean().log().square() for x in layers]).sum()
    return costs


@torch.no_grad()
def in_order(features: FeatureNet, lesson: Lesson) -> dict[str, float]:
    """Return the share of pairs in the right order, by what they compare."""
    _, pairs = _compared(features, lesson)
    return {name: float(right) for name, (_, right) in pairs.items()}


def _compared(
    features: FeatureNet, lesson: Lesson
) -> tuple[list[Tensor], dict[str, tuple[Tensor, Tensor]]]:
    """Return the layers of all versions, and of each comparison its cost and share in order."""
    layers = [layer.float() for layer in features(torch.cat(lesson[:5]))]
    truth, *others = zip(*(layer.chunk(5) for layer in layers), strict=True)
    weights = features.chosen_importance.clamp(min=0)
    milder, worse, harmless, noisy = (_apart(other, truth, weights) for other in others)
    harm, mild, loud = (
        (x - lesson.input).square().flatten(1).mean(1)
        for x in (lesson.worse, lesson.harmless, lesson.noisy)
    )
    fair = (mild <= HARMLESS_UP_TO * harm).float()
    even = (loud <= NOISE_UP_TO * harm).float() * lesson.local
    return layers, {
        "degree": _ordered(milder, worse, torch.ones_like(fair)),
        "harmless": _ordered(harmless, worse, fair),
        "local": _ordered(noisy, worse, even),
    }


def _apart(ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...], weights: Tensor) -> Tensor:
    """Return the perceptual distance from layers already there ``(B,)``."""
    total = torch.zeros(len(ours[0]), device=ours[0].device)
    for own, other, weight in zip(ours, theirs, weights, strict=True):
        difference = unit(own, floor=FLOOR) - unit(other, floor=FLOOR)
        total = total + weight * difference.square().sum(1).flatten(1).mean(1)
    return total


def _ordered(nearer: Tensor, further: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cost of distances in the wrong order, and the share in the right one."""
    gap = torch.log(nearer + 1e-6) - torch.log(further + 1e-6)
    pairs = counts.sum().clamp(min=1)
    cost = (F.softplus((gap + MARGIN) / STEEPNESS) * counts).sum() / pairs
    return cost, ((gap < 0) * counts).sum() / pairs


def _named(pupil: Pupil, layers: list[Tensor], kind: Tensor) -> Tensor:
    """Return the cost of naming the harm of truth, milder, worse and harmless, each alone."""
    pooled = []
    for layer in layers:
        seen = layer[: 4 * len(kind)].flatten(2)
        pooled += [(seen.mean(2) + 1e-3).log(), (seen.square().mean(2) + 1e-6).log()]
    none = torch.full_like(kind, pupil.kinds)
    found: Tensor = pupil.name(torch.cat(pooled, 1))
    return F.cross_entropy(found.float(), torch.cat([none, kind, kind, none]))


def _segmented(pupil: Pupil, layers: list[Tensor], tissue: Tensor) -> Tensor:
    """Return the cost of the shares of tissues in each voxel of the layer before the last."""
    *_, fine, coarse = layers
    together = torch.cat([fine, F.interpolate(coarse, size=fine.shape[2:])], 1)
    found = pupil.tissue(together).float().log_softmax(1)
    labels = F.one_hot(tissue[:, 0].long().clamp(max=TISSUES - 1), TISSUES).movedim(-1, 1)
    shares = F.interpolate(labels.float(), size=fine.shape[2:], mode="area")
    each = -(shares.repeat(5, *[1] * (shares.ndim - 1)) * found).sum(1).flatten(1).mean(1)
    known = (tissue.flatten(1)[:, 0] != UNKNOWN).float().repeat(5)
    total: Tensor = (each * known).sum() / known.sum().clamp(min=1)
    return total
