"""Two sides that learn against each other: a step holds for both of them, or for neither."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from medacuity.adversarial import NON_SATURATING, Game, accuracy, r1
from medacuity.training.learners.average import Average
from medacuity.training.learners.descent import Descent, Sides, adam_in_games, gradient_norm
from medacuity.training.learners.supervised import everywhere, made_for_half

Critic = Callable[[Tensor], Tensor]
"""``critic(image)`` -> scores; what else it looks at is settled."""


ADAM = adam_in_games()


@dataclass(frozen=True)
class Rules:
    """What every learner with a critic needs to be told.

    Args:
        game: The losses of both sides.
        generator: How the generator's weights move.
        critic: How the critic's weights move.
        penalty: Weight of `r1`; with it the critic is computed in full precision.
        decay: Of the moving average of the generator.
        seed: Decides every draw: latents, dropout, what a replay buffer swaps.
        half: Compute in bfloat16, weights stay float32; None: where the hardware is made for it.
    """

    game: Game = NON_SATURATING
    generator: Descent = ADAM
    critic: Descent = ADAM
    penalty: float = 0.0
    decay: float = 0.999
    seed: int = 0
    half: bool | None = None


class Side:
    """A network that learns, and how to take a step of it back.

    Args:
        network: Trained in place; several in a ``ModuleList`` learn as one.
        descent: Optimiser, schedule and clipping.
        prefix: Before the names of what it logs.
    """

    def __init__(self, network: nn.Module, descent: Descent, *, prefix: str = "") -> None:
        self.network = network
        self.descent = descent
        self.prefix = prefix
        self.pace = 1.0  # of all rates: the schedule's, lowered by whoever watches the run
        self.optimiser = descent.optimiser(network)
        self.weights = [weight for weight in network.parameters() if weight.requires_grad]

    def gradient(self, loss: Tensor) -> Tensor:
        """Leave the gradient of a loss in these weights, and in no others; return its norm."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward(inputs=self.weights)  # type: ignore[no-untyped-call]
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            for weight in self.weights:
                if weight.grad is not None:
                    torch.distributed.all_reduce(weight.grad)
                    weight.grad /= torch.distributed.get_world_size()
        return gradient_norm(self.optimiser)

    def move(self, share: float) -> None:
        """Go down the gradient, at a share of the highest rate."""
        for group in self.optimiser.param_groups:
            group["lr"] = group["rate"] * share
        self.descent.clip(self.optimiser)
        self.optimiser.step()

    def keep(self) -> Callable[[], None]:
        """Copy weights and moments; return how to put them back."""
        weights = [weight.detach().clone() for weight in self.weights]
        whole = self.optimiser.state_dict()
        moments = {
            n: {k: v.clone() if torch.is_tensor(v) else v for k, v in each.items()}
            for n, each in whole["state"].items()
        }

        def undo() -> None:
            """Put weights and moments back."""
            _put_back(self.weights, weights)
            self.optimiser.load_state_dict(whole | {"state": moments})

        return undo

    def state_dict(self) -> dict[str, Any]:
        """Return weights, moments and pace."""
        return {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict(),
                "pace": self.pace}  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.pace = float(state.get("pace", 1.0))  # runs begun before there was one


class Turn(NamedTuple):
    """What one side minimises: the sum of its parts; and what is worth seeing besides."""

    side: Side
    parts: dict[str, Tensor]
    seen: dict[str, Tensor]


class Duel(ABC):
    """Take one turn for each side per batch; if anything was not finite, neither was taken.

    A step that is skipped leaves weights, moments, statistics of batch norm and averages as
    they were; only the count and the random numbers go on. `average.network` is the generator
    to use. Among several processes gradients are averaged here, whoever wrapped the networks.

    Args:
        generator: The network, or several in a ``ModuleList``.
        critic: The same; on the device of the generator.
        rules: Losses, optimisers and draws.
        steps: Length of the whole schedule.
    """

    def __init__(
        self, generator: nn.Module, *, critic: nn.Module, rules: Rules, steps: int
    ) -> None:
        self.rules = rules
        self.steps = steps
        self.device = next(generator.parameters()).device
        self.making = Side(generator, rules.generator)
        self.judging = Side(critic.to(self.device), rules.critic, prefix="critic_")
        self.average = Average(generator, decay=rules.decay)
        self.half = made_for_half(generator) if rules.half is None else rules.half
        self.rng = torch.Generator().manual_seed(rules.seed)
        self.noise = torch.Generator()
        self.done = 0

    @property
    def networks(self) -> list[nn.Module]:
        """What a run ends with: the average of the generator."""
        return [self.average.network]

    @abstractmethod
    def turns(self, batch: Any) -> Iterator[Turn]:
        """Yield a turn of each side; the second already meets the first one's new weights."""

    def step(self, batch: Any) -> dict[str, float]:
        """Learn from one batch; return what to log, ``skipped`` = 1 if it was not finite.

        ``loss``, ``gradient`` and ``rate`` are the generator's, those of the critic begin with
        ``critic_``; the weighted parts of both go by their names. ``real`` and ``fake`` are
        the mean scores, ``accuracy`` is the share of them on the right side.
        """
        names = ("loss", "gradient", "rate")
        logged = {side.prefix + n: math.nan for side in (self.making, self.judging) for n in names}
        undo = self.keep()
        with self._draws():
            sound = self._play(self.turns(batch), logged)
        if sound:
            self.average.update(self.making.network)
        else:
            undo()
        self.done += 1
        return logged | {"skipped": float(not sound)}

    def _play(self, turns: Iterator[Turn], logged: dict[str, float]) -> bool:
        undo: Callable[[], None] | None = None
        while True:
            # One context a turn: what it has cast of the weights must not outlive their step.
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
                turn = next(turns, None)
            if turn is None:
                return True
            share = turn.side.pace * turn.side.descent.schedule(self.done, self.steps)
            if not _descends(turn, share, logged):
                if undo:
                    undo()
                return False
            undo = undo or turn.side.keep()  # the second to move is the last that can fail
            turn.side.move(share)

    def judge(self, critic: Critic, real: Tensor, fake: Tensor) -> Turn:
        """Return the critic's turn; it meets real and generated images apart.

        Together in one batch they would share the statistics of batch norm.
        """
        penalised = self.rules.penalty > 0
        real = real.detach().requires_grad_(penalised)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half and not penalised):
            scores = critic(real).float(), critic(fake.detach().float()).float()
        parts = {"judging": self.rules.game.critic(*scores)}
        if penalised:
            parts["penalty"] = self.rules.penalty * r1(scores[0], real)
        with torch.no_grad():
            right = accuracy(self.rules.game, *scores)
            seen = {"real": scores[0].mean(), "fake": scores[1].mean(), "accuracy": right}
        return Turn(self.judging, parts, seen)

    def keep(self) -> Callable[[], None]:
        """Copy what merely computing a turn changes; return how to put it back."""
        buffers = [*self.making.network.buffers(), *self.judging.network.buffers()]
        return partial(_put_back, buffers, [buffer.clone() for buffer in buffers])

    @contextmanager
    def _draws(self) -> Iterator[None]:
        """Give every step random numbers of its own, dropout's too; each process others."""
        joined = torch.distributed.is_available() and torch.distributed.is_initialized()
        number = int(torch.randint(2**62, (), generator=self.rng))
        number += torch.distributed.get_rank() if joined else 0
        self.noise.manual_seed(number)
        cuda = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(cuda):
            torch.manual_seed(number)
            yield

    def slow(self, by: float, *, sides: Sides) -> None:
        """Multiply the rates from here on; it is part of the state."""
        for name, side in (("generator", self.making), ("critic", self.judging)):
            if sides in (name, "both"):
                side.pace *= by

    def state_dict(self) -> dict[str, Any]:
        """Return everything the next step depends on."""
        return {
            "generator": self.making.state_dict(), "critic": self.judging.state_dict(),
            "average": self.average.state_dict(), "rng": self.rng.get_state(), "done": self.done,
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, as if never stopped."""
        self.making.load_state_dict(state["generator"])
        self.judging.load_state_dict(state["critic"])
        self.average.load_state_dict(state["average"])
        self.rng.set_state(state["rng"])
        self.done = int(state["done"])


def _descends(turn: Turn, share: float, logged: dict[str, float]) -> bool:
    """Compute a turn's gradient, log it, and return whether all of it is finite."""
    loss = torch.stack(list(turn.parts.values())).sum()
    norm = turn.side.gradient(loss)
    values = {n: v.detach() for n, v in (turn.parts | turn.seen).items()}
    values |= {turn.side.prefix + "loss": loss.detach(), turn.side.prefix + "gradient": norm}
    numbers = torch.stack([value.float() for value in values.values()])
    logged |= dict(zip(values, numbers.tolist(), strict=True))
    rates = [group["rate"] * share for group in turn.side.optimiser.param_groups]
    logged[turn.side.prefix + "rate"] = max(rates)
    return everywhere(torch.isfinite(numbers).all())


@torch.no_grad()
def _put_back(tensors: Sequence[Tensor], sound: Sequence[Tensor]) -> None:
    for tensor, value in zip(tensors, sound, strict=True):
        tensor.copy_(value)
