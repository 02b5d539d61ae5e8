"""Tiny networks, batches and learners with a critic, for the tests of adversarial learning."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from medacuity.training.learners.conditional import PIX2PIX, Conditional
from medacuity.training.learners.cycle import CYCLEGAN, Cycle
from medacuity.training.learners.duel import Duel
from medacuity.training.learners.gan import DCGAN, GAN, Samples
from medacuity.training.learners.supervised import Batch

CONV: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
NORM: dict[int, Any] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class Labelled(nn.Module):
    """A network that is given, as further features, what it learned of each of its kinds."""

    def __init__(self, body: nn.Module, kinds: int) -> None:
        super().__init__()
        self.body = body
        self.kinds = nn.Embedding(kinds, kinds)

    def forward(self, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        kind = self.kinds(label).reshape(len(x), -1, *(1,) * (x.ndim - 2))
        return self.body(torch.cat([x, kind.expand(-1, -1, *x.shape[2:])], 1))


def translator(dims: int = 2, dropout: float = 0.3) -> nn.Module:
    """Return an image-to-image network with all that has a state: batch norm and dropout."""
    return nn.Sequential(
        CONV[dims](1, 4, 3, padding=1, bias=False), NORM[dims](4), nn.LeakyReLU(0.2),
        nn.Dropout(dropout), CONV[dims](4, 1, 3, padding=1),
    )  # fmt: skip


def patches(dims: int = 2, channels: int = 1) -> nn.Module:
    """Return a critic of patches with spectral and batch norm."""
    return nn.Sequential(
        spectral_norm(CONV[dims](channels, 4, 3, stride=2, bias=False)), NORM[dims](4),
        nn.LeakyReLU(0.2), CONV[dims](4, 1, 3, padding=1),
    )  # fmt: skip


def maker(dropout: float = 0.3) -> nn.Module:
    """Return a network from three latents, and a label out of two, to 8 x 8 voxels."""
    body = nn.Sequential(
        nn.Linear(5, 64, bias=False), nn.Unflatten(1, (1, 8, 8)), nn.BatchNorm2d(1),
        nn.Dropout(dropout), nn.Conv2d(1, 1, 3, padding=1),
    )  # fmt: skip
    return Labelled(body, 2)


def gan(**changes: Any) -> GAN:
    """Return a class-conditional GAN."""
    torch.manual_seed(0)
    rules = replace(DCGAN, **{"half": False, **changes})
    critic = partial(Labelled, patches(channels=3), 2)
    return GAN(maker(), critic=critic, latent=3, steps=8, rules=rules)


def conditional(dims: int = 2, **changes: Any) -> Conditional:
    """Return pix2pix."""
    torch.manual_seed(0)
    rules = replace(PIX2PIX, **{"half": False, **changes})
    return Conditional(translator(dims), critic=partial(patches, dims, 2), steps=8, rules=rules)


def cycle(dims: int = 2, **changes: Any) -> Cycle:
    """Return CycleGAN with a replay buffer that is soon full."""
    torch.manual_seed(0)
    rules = replace(CYCLEGAN, **{"half": False, **changes})
    return Cycle(
        translator(dims), back=partial(translator, dims), critic=partial(patches, dims),
        steps=8, replayed=5, rules=rules,
    )  # fmt: skip


def samples(step: int) -> Samples:
    """Return labelled images."""
    rng = torch.Generator().manual_seed(step)
    return Samples(torch.rand(4, 1, 8, 8, generator=rng), torch.tensor([0, 1, 0, 1]))


def images(step: int, dims: int = 2) -> Batch:
    """Return two stacks of images."""
    rng = torch.Generator().manual_seed(step)
    return Batch(*torch.rand(2, 4, 1, *(8,) * dims, generator=rng).unbind())


LEARNERS: dict[str, tuple[Callable[..., Duel], Callable[[int], Any]]] = {
    "gan": (gan, samples),
    "conditional": (conditional, images),
    "cycle": (cycle, images),
    "conditional 3D": (partial(conditional, 3), partial(images, dims=3)),
    "cycle 3D": (partial(cycle, 3), partial(images, dims=3)),
}


def numbers(state: Any, path: str = "") -> dict[str, torch.Tensor]:
    """Return every number of a nested state by its path, copied."""
    if isinstance(state, dict | list | tuple):
        pairs = state.items() if isinstance(state, dict) else enumerate(state)
        found: dict[str, torch.Tensor] = {}
        for key, value in pairs:
            found |= numbers(value, f"{path}/{key}")
        return found
    return {} if state is None else {path: torch.as_tensor(state).clone()}


def different(one: Duel, before: dict[str, torch.Tensor]) -> list[str]:
    """Return the paths of what is not as it was, to the bit."""
    now = numbers(one.state_dict())
    return [
        path for path in now.keys() | before.keys()
        if path not in now or path not in before or not torch.equal(now[path], before[path])
    ]  # fmt: skip
