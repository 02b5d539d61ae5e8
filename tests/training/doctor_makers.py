"""Toy recipes on the one loop, healthy and ill, for the tests of the doctor."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medacuity.adversarial import NON_SATURATING, Game
from medacuity.losses import Loss, mse
from medacuity.resize import cubic, resize
from medacuity.training.learners.conditional import PIX2PIX, Conditional, Term, alone
from medacuity.training.learners.descent import (
    Schedule,
    adam_in_games,
    constant,
    sgd,
    unclipped,
)
from medacuity.training.learners.duel import Rules
from medacuity.training.learners.gan import GAN, Samples
from medacuity.training.learners.supervised import Batch, Supervised, paired
from medacuity.training.recipes import RECIPES, Recipe
from medacuity.training.run import Settings, Talk, create_run, resume_run
from medacuity.training.watch import Look


@dataclass
class Drawn:
    """Batches out of a function of the step."""

    draw: Callable[[int], Any]
    found: int = 1
    left_out: int = 0

    def batch(self, step: int, size: int) -> Any:
        return self.draw(step)


@dataclass(frozen=True, kw_only=True)
class Toy(Recipe):
    """A recipe whose batches and looks are functions."""

    draws: Callable[[int], Any]
    shows: Callable[[nn.Module], tuple[Tensor, Tensor]]
    back: str = ""

    @property
    def made(self) -> tuple[str, ...]:
        return (self.name, self.back) if self.back else (self.name,)

    def find(self, data: Path, table: Path | None) -> list[Any]:
        return []

    def make(self, case: Any, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def batches(self, folder: Path, split: str, rank: int) -> Drawn:
        return Drawn(self.draws)

    def look(self, model: nn.Module, batches: Any, device: str, title: str) -> Look:
        training = model.training
        with torch.no_grad():
            samples, real = self.shows(model.eval())
        model.train(training)
        return Look({}, b"a picture", samples, real)


@dataclass
class Fault:
    """A schedule that multiplies a constant rate from a step on; for ever, or for some steps."""

    by: float
    left: float = math.inf
    at: int = 0

    def __call__(self, step: int, steps: int) -> float:
        self.left -= step >= self.at
        return self.by if step >= self.at and self.left >= 0 else 1.0


# A linear filter, learned from pairs


def pairs(step: int) -> Batch:
    """Return noise and what a known filter makes of it."""
    x = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(step))
    return Batch(x, nn.functional.avg_pool2d(x, 3, 1, 1))


def filtered(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Return what a network makes of fixed images, and what it should."""
    given, target = pairs(10**6)
    return model(given), target


def kernel(*, dims: int) -> nn.Module:
    """Return a network that is one filter."""
    return nn.Conv2d(1, 1, 3, padding=1)


def filter_recipe(schedule: Schedule = constant, loss: Loss = mse, **changes: Any) -> Toy:
    """Return a supervised recipe whose rate is half of the highest that is stable.

    Gradient descent with momentum m is stable up to the rate 2 (1 + m) / l, l being the largest
    eigenvalue of the loss, which is quadratic here: 5.35.
    """
    rate = 0.5 * 3.8 / 5.35
    toy = Toy(
        name="toy-filter", model=partial(kernel, dims=2), draws=pairs, shows=filtered,
        learner=partial(
            Supervised, objective=partial(paired, loss=loss), half=False,
            descent=sgd(rate, schedule=schedule, clip=unclipped),
        ),
        batch=16, steps=400,
    )  # fmt: skip
    return replace(toy, **changes)


# Blobs, generated


def blobs(step: int, count: int = 16) -> Samples:
    """Return images of a blob somewhere, of some brightness."""
    rng = torch.Generator().manual_seed(step)
    place, bright = (
        2 + 4 * torch.rand(count, 2, 1, 1, generator=rng),
        torch.rand(count, 1, 1, generator=rng),
    )
    grid = torch.arange(8.0)
    far = (grid[None, None] - place[:, 0]).square() + (grid[None, :, None] - place[:, 1]).square()
    return Samples(((0.5 + 0.5 * bright) * torch.exp(-far / 3))[:, None])


def dense(inputs: int, outputs: int) -> nn.Module:
    """Return a small network on vectors."""
    return nn.Sequential(
        nn.Linear(inputs, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2),
        nn.Linear(32, outputs),
    )  # fmt: skip


def painter(*, dims: int) -> nn.Module:
    """Return a generator of 8 x 8 voxels, which batch norm makes diverse from the start."""
    return nn.Sequential(
        nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 32), nn.BatchNorm1d(32),
        nn.ReLU(), nn.Linear(32, 64), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8)),
    )  # fmt: skip


def judge() -> nn.Module:
    """Return its critic."""
    return nn.Sequential(nn.Flatten(), dense(64, 1))


def painted(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Return what a generator makes of fixed numbers, and real images."""
    latents = torch.randn(16, 8, generator=torch.Generator().manual_seed(5))
    return model(latents), blobs(10**6).image


def blob_recipe(
    generator: Schedule = constant, critic: Schedule = constant, game: Game = NON_SATURATING,
    **changes: Any,
) -> Toy:  # fmt: skip
    """Return a GAN's recipe; its sides' rates are constant, or at fault."""
    sides = {
        name: replace(adam_in_games(1e-3), schedule=schedule)
        for name, schedule in (("generator", generator), ("critic", critic))
    }
    rules = Rules(**sides, game=game, decay=0.9, half=False)
    toy = Toy(
        name="toy-blobs", model=partial(painter, dims=2), draws=blobs, shows=painted,
        learner=partial(GAN, critic=judge, latent=8, rules=rules), batch=16, steps=600,
    )  # fmt: skip
    return replace(toy, **changes)


# Contrasts, from pairs or without


def contrasts(step: int) -> Batch:
    """Return blobs and what becomes of their brightness."""
    x = blobs(step).image
    return Batch(x, 0.9 - 0.7 * x.square())


def changed(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Return what a network, or the first of two, makes of fixed images, and what it should."""
    given, target = contrasts(10**6)
    return model(given), target


def pointwise(*, dims: int) -> nn.Module:
    """Return a network that looks at one voxel at a time."""
    return nn.Sequential(nn.Conv2d(1, 8, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 1, 1))


def critic_of_pairs(channels: int = 2) -> nn.Module:
    """Return a critic of patches."""
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, stride=2), nn.LeakyReLU(0.2), nn.Conv2d(8, 1, 3, padding=1)
    )


def pair_recipe(**changes: Any) -> Toy:
    """Return pix2pix on contrasts."""
    toy = Toy(
        name="toy-contrasts", model=partial(pointwise, dims=2), draws=contrasts, shows=changed,
        learner=partial(Conditional, critic=critic_of_pairs, rules=replace(PIX2PIX, half=False)),
        batch=16, steps=400,
    )  # fmt: skip
    return replace(toy, **changes)


# Enlarging by transposed convolutions


def waves(step: int) -> Batch:
    """Return smooth images, and the same twice as large."""
    coarse = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(step))
    small, large = (resize(coarse, (n, n), cubic) for n in (8, 16))
    return Batch(small, large)


def doubled(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Return what a network makes of fixed images, and what it should."""
    given, target = waves(10**6)
    return model(given), target


def unpooled(*, dims: int) -> nn.Module:
    """Return a transposed convolution whose kernel of 3 overlaps every second voxel."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1, output_padding=1),
    )  # fmt: skip


def enlarged(generator: Schedule = constant, **changes: Any) -> Toy:
    """Return an SRGAN with a checkerboard in wait."""
    rules = Rules(
        generator=replace(adam_in_games(0.05), schedule=generator),
        critic=replace(adam_in_games(1e-3), schedule=constant), decay=0.5, half=False,
    )  # fmt: skip
    toy = Toy(
        name="toy-enlarged", model=partial(unpooled, dims=2), draws=waves, shows=doubled,
        learner=partial(
            Conditional, critic=partial(critic_of_pairs, 1), sight=alone, adversarial=1e-3,
            terms={"mse": Term(1.0, mse)}, rules=rules,
        ),
        batch=8, steps=600,
    )  # fmt: skip
    return replace(toy, **changes)


def begin(folder: Path, recipe: Recipe, *, save_every: int = 40, seed: int = 0) -> Path:
    """Put a recipe on the menu and create its run."""
    RECIPES[recipe.name] = recipe
    create_run(folder, Settings(
        recipe=recipe.name, arrays="arrays", steps=recipe.steps, batch=recipe.batch, seed=seed,
        save_every=save_every, log_every=10,
    ))  # fmt: skip
    return folder


def quiet(step: int, of: int, logged: dict[str, float]) -> None:
    """Say nothing."""


def live(folder: Path, talk: Talk = quiet) -> None:
    """Let a run go on to its end."""
    resume_run(folder, talk)


def record(folder: Path) -> list[dict[str, Any]]:
    """Return the doctor's record."""
    path = folder / "doctor.json"
    return json.loads(path.read_text()) if path.exists() else []
