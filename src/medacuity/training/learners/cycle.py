"""Learn to turn one kind of image into another without pairs: there and back again."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from medacuity.adversarial import LEAST_SQUARES
from medacuity.losses import l1
from medacuity.training.learners.duel import Duel, Rules, Turn
from medacuity.training.learners.replay import Replay
from medacuity.training.learners.supervised import Batch, inner

CYCLEGAN = Rules(game=LEAST_SQUARES)
"""Least squares, Adam at 2e-4 with momentum 0.5."""


class Cycle(Duel):
    """Two generators, one for each way, and two critics (Zhu et al., ICCV 2017).

    The input of a batch is of one kind, the target of the other; they are *not* pairs. An image
    that went there and back must be itself again, and one that is of the wanted kind already
    must stay as it is, which keeps brightness from being turned around early on.

    Both generators learn as one, and so do both critics. As in the authors' code the generators
    move first; the critics then judge the images made before, some of them out of a replay
    buffer.

    Args:
        generator: From the input's kind to the target's; trained in place.
        back: Builds the other generator.
        critic: Builds a critic; it is called for each kind.
        steps: Length of the whole schedule.
        cycle: Weight of the way there and back (the paper's lambda).
        identity: Weight, as a share of ``cycle``, of what should stay as it is.
        replayed: Images that a replay buffer holds.
        rules: Losses, optimisers and draws.
    """

    def __init__(
        self, generator: nn.Module, *, back: Callable[[], nn.Module],
        critic: Callable[[], nn.Module], steps: int, cycle: float = 10.0, identity: float = 0.5,
        replayed: int = 50, rules: Rules = CYCLEGAN,
    ) -> None:  # fmt: skip
        there = inner(generator)
        self.there, self.back = there, back().to(next(there.parameters()).device)
        self.critic_there, self.critic_back = critic(), critic()
        self.cycle = cycle
        self.identity = identity
        draws = (torch.Generator().manual_seed(rules.seed + n) for n in (1, 2))
        self.replays = [Replay(rng, size=replayed) for rng in draws]
        super().__init__(
            nn.ModuleList([self.there, self.back]),
            critic=nn.ModuleList([self.critic_there, self.critic_back]), rules=rules, steps=steps,
        )  # fmt: skip

    @property
    def networks(self) -> list[nn.Module]:
        """What a run ends with: the averages of both generators, there and back."""
        return list(self.average.network.children())

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Yield the turn of both generators, then that of both critics."""
        first, second = batch
        made = self.there(first).float(), self.back(second).float()
        yield Turn(self.making, self._parts(first, second, made), {})
        shown = [replay(images) for replay, images in zip(self.replays, made, strict=True)]
        one = self.judge(self.critic_there, second, shown[0])
        other = self.judge(self.critic_back, first, shown[1])
        parts = {name: part + other.parts[name] for name, part in one.parts.items()}
        seen = {name: (value + other.seen[name]) / 2 for name, value in one.seen.items()}
        yield Turn(self.judging, parts, seen)

    def _parts(
        self, first: Tensor, second: Tensor, made: tuple[Tensor, Tensor]
    ) -> dict[str, Tensor]:
        game, (as_second, as_first) = self.rules.game, made
        returned = l1(self.back(as_second), first) + l1(self.there(as_first), second)
        scores = self.critic_there(as_second).float(), self.critic_back(as_first).float()
        parts = {
            "adversarial": game.generator(scores[0]) + game.generator(scores[1]),
            "cycle": self.cycle * returned,
        }
        if self.identity:
            stayed = l1(self.there(second), second) + l1(self.back(first), first)
            parts["identity"] = self.cycle * self.identity * stayed
        return parts

    def keep(self) -> Callable[[], None]:
        """Copy what merely computing a turn changes, the replay buffers too."""
        undo, stored = super().keep(), [list(replay.images) for replay in self.replays]

        def undo_all() -> None:
            """Put weights, moments and replay buffers back."""
            undo()
            for replay, images in zip(self.replays, stored, strict=True):
                replay.images = images

        return undo_all

    def state_dict(self) -> dict[str, Any]:
        """Return everything the next step depends on."""
        return super().state_dict() | {"replays": [r.state_dict() for r in self.replays]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, as if never stopped."""
        super().load_state_dict(state)
        for replay, saved in zip(self.replays, state["replays"], strict=True):
            replay.load_state_dict(saved)
