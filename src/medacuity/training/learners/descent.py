"""How weights move: an optimiser, its rate over a run, and what keeps its steps small."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

Schedule = Callable[[int, int], float]
"""``schedule(step, steps)`` -> the share of the highest rate that a step takes."""

Clip = Callable[[torch.optim.Optimizer], None]
"""Bounds the gradients of an optimiser's weights; its groups know the rate of this step."""

Sides = Literal["both", "generator", "critic"]
"""Whose rates; a learner without a critic is all generator."""


@dataclass(frozen=True)
class Descent:
    """An optimiser, its schedule and its clipping.

    Args:
        optimiser: Built from a network; the rates of its groups are the highest of the run.
        schedule: The share of them that a step takes.
        clip: What is done to the gradients before the step.
    """

    optimiser: Callable[[nn.Module], torch.optim.Optimizer]
    schedule: Schedule
    clip: Clip


def adam(rate: float, *, warm_up: int = 200, longest: float = 20.0) -> Descent:
    """Adam with a warm-up and a cosine to zero: what needs no tuning by hand.

    Args:
        rate: Highest learning rate.
        warm_up: Steps over which the rate rises to it.
        longest: Norm above which all gradients together are shortened.
    """
    optimiser = partial(_adam, rate=rate)
    return Descent(optimiser, partial(cosine, warm_up=warm_up), partial(by_norm, longest=longest))


def adam_in_stages(rate: float, *, stages: float = 1.5, by: float = 0.5) -> Descent:
    """Adam whose rate falls in stages; as it stands, halved after two thirds of the run (EDSR)."""
    optimiser = partial(_adam, rate=rate, betas=(0.9, 0.999))
    return Descent(optimiser, partial(staircase, stages=stages, by=by), unclipped)


def adam_in_games(rate: float = 2e-4, *, momentum: float = 0.5, flat: float = 0.5) -> Descent:
    """Adam with little momentum, as DCGAN, pix2pix and CycleGAN have it.

    Args:
        rate: Highest learning rate.
        momentum: Adam's first beta; more of it makes the two sides swing.
        flat: Share of the run before the rate falls.
    """
    optimiser = partial(_adam, rate=rate, betas=(momentum, 0.999))
    return Descent(optimiser, partial(flat_then_falling, flat=flat), unclipped)


def sgd(
    rate: float, *, schedule: Schedule, clip: Clip, decay: float = 0.0,
    slower: Mapping[str, float] | None = None,
) -> Descent:  # fmt: skip
    """Stochastic gradient descent with momentum 0.9, as the first papers had it.

    Args:
        rate: Highest learning rate; it belongs to a loss that is *summed* over the pixels.
        schedule: How the rate falls.
        clip: What is done to the gradients.
        decay: Weight decay.
        slower: Shares of the rate, by a part of a weight's name (``"bias"``, ``"enlarge"``);
            of several that fit the smallest counts.
    """
    return Descent(partial(_sgd, rate=rate, decay=decay, slower=slower or {}), schedule, clip)


def cosine(step: int, steps: int, *, warm_up: int) -> float:
    """Rise in a line, then fall as half a cosine."""
    warm_up = min(warm_up, steps // 4)
    if step < warm_up:
        return (step + 1) / warm_up
    past = (step - warm_up) / max(1, steps - warm_up)
    return 0.5 + 0.5 * math.cos(math.pi * min(1.0, past)) + 1e-4


def constant(step: int, steps: int) -> float:
    """Keep the rate."""
    return 1.0


def staircase(step: int, steps: int, *, stages: float, by: float) -> float:
    """Multiply by ``by`` after each of ``stages`` equal parts of the run (1.5: one and a half).

    Example:
        >>> [staircase(step, 8, stages=4, by=0.5) for step in (0, 2, 7)]
        [1.0, 0.5, 0.125]
    """
    return float(by ** int(min(step, steps - 1) * stages / steps))


def flat_then_falling(step: int, steps: int, *, flat: float) -> float:
    """Keep the rate over the share ``flat`` of the run, then fall in a line to zero.

    Example:
        >>> [flat_then_falling(step, 8, flat=0.5) for step in (0, 4, 6)]
        [1.0, 1.0, 0.5]
    """
    return min(1.0, (steps - min(step, steps)) / max(1.0, steps * (1 - flat)))


def geometric(step: int, steps: int, *, last: float) -> float:
    """Fall by the same factor at every step, down to the share ``last``."""
    return float(last ** (step / steps))


def by_norm(optimiser: torch.optim.Optimizer, *, longest: float) -> None:
    """Shorten all gradients together to a norm of at most ``longest``."""
    nn.utils.clip_grad_norm_(_weights(optimiser), longest)


def adjustable(optimiser: torch.optim.Optimizer, *, theta: float) -> None:
    """Limit each number of a gradient to ``[-theta / rate, theta / rate]``, by the rate in use.

    The adjustable gradient clipping of VDSR (Kim et al., CVPR 2016): no gradient adds more than
    ``theta`` to a weight, and as the rate falls the bound loosens, so that training stays as
    fast as it is stable. The paper does not print theta.
    """
    for group in optimiser.param_groups:
        bound = theta / max(group["lr"], 1e-30)
        for weight in group["params"]:
            if weight.grad is not None:
                weight.grad.clamp_(-bound, bound)


def unclipped(optimiser: torch.optim.Optimizer) -> None:
    """Leave gradients as they are."""


def gradient_norm(optimiser: torch.optim.Optimizer) -> Tensor:
    """Return the norm of all gradients together."""
    return nn.utils.get_total_norm([w.grad for w in _weights(optimiser) if w.grad is not None])


def _weights(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [weight for group in optimiser.param_groups for weight in group["params"]]


def _adam(
    model: nn.Module, *, rate: float, betas: tuple[float, float] = (0.9, 0.99)
) -> torch.optim.Optimizer:
    return torch.optim.Adam([{"params": list(model.parameters()), "rate": rate}], rate, betas)


def _sgd(
    model: nn.Module, *, rate: float, decay: float, slower: Mapping[str, float]
) -> torch.optim.Optimizer:
    groups: dict[float, list[Any]] = {}
    for name, weight in model.named_parameters():
        share = min((slower[part] for part in slower if part in name), default=1.0)
        groups.setdefault(share, []).append(weight)
    parts = [{"params": some, "rate": rate * share} for share, some in groups.items()]
    return torch.optim.SGD(parts, rate, momentum=0.9, weight_decay=decay)
