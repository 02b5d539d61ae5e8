"""Segmentation with few labelled subjects: scored on other people, and in other contrasts.

The test cases are real scans of other people, twice: as they are, and with their tissues in every
other order of brightness (`medacuity.physics.recontrast`): contrasts that no training saw.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from itertools import permutations
from typing import Literal

import torch
from torch import Tensor, nn

from medacuity.errors import UsageError
from medacuity.losses import cross_entropy_and_dice
from medacuity.metrics.overlap import dices
from medacuity.nd import channels_last
from medacuity.physics.recontrast import explained, with_means
from medacuity.training.fit import fit
from medacuity.training.learners.descent import adam
from medacuity.training.learners.supervised import Supervised, made_for_half, paired
from medacuity.utility.segment_data import Drawn, randomised
from medacuity.utility.segment_pairs import from_masks
from medacuity.utility.segmenter import Segmenter
from medacuity.utility.subjects import SIDES, Subject, labels_of, numbered
from medacuity.utility.task import Examples, digest, joined

AMOUNTS = (1, 2, 4, 8)
DARK, BRIGHT = 0.25, 0.9  # brightness of the darkest and brightest tissue in other contrasts
AT_ONCE = 16  # slices

Source = Literal["randomised", "masks", "both"]
"""Generated images: contrasts drawn at random, a network's from label maps, half of each."""


@dataclass(frozen=True)
class Segmenting:
    """How much is learnt, and from what.

    Args:
        steps: Updates of the weights.
        batch: Slices in a batch; of real and generated ones together, half are real.
        width: Features of the network at full resolution.
        rate: Highest learning rate.
        generated: Images generated from the subjects drawn.
        source: Where these come from.
        pix2pix: Updates of the network that makes images of masks.
        contrasts: Test contrasts at the most, beside the scans' own.
        decides: Which test decides: ``"same"`` contrast, or the mean over ``"other"`` ones.
    """

    steps: int = 500
    batch: int = 8
    width: int = 12
    rate: float = 4e-3
    generated: int = 600
    source: Source = "randomised"
    pix2pix: int = 300
    contrasts: int = 5
    decides: Literal["same", "other"] = "same"


class Segmentation:
    """Segment slices; a task of the harness.

    Args:
        subjects: Those to train on and those to test on, from `read_subjects`.
        plan: How much is learnt, and from what.
        names: Of the labels but 0, in the order of their numbers; None: these numbers.

    Labels may be any numbers, 0 is outside. Scored are those that test subjects have: of others
    there is nothing to find.

    Raises:
        UsageError: The test subjects have labels that no one to train on has, there are none, or
            there are other names than labels.
    """

    name = "segment"

    def __init__(
        self, subjects: Mapping[str, Sequence[Subject]], plan: Segmenting | None = None,
        *, names: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        self.plan = plan or Segmenting()
        self.labels = labels_of(subjects["train"])
        self.classes = len(self.labels)
        tested = labels_of(subjects["test"])
        _check_labels(self.labels, tested, names)
        self.pool, self.tests = (numbered(subjects[side], self.labels) for side in SIDES)
        called = list(names or map(str, self.labels[1:]))
        self.scored = [n for n, label in enumerate(self.labels[1:]) if label in tested]
        self.tissues = tuple(called[n] for n in self.scored)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Mean Dice in the scans' own contrast and in others, and of each tissue."""
        sides = ["dice", *(["dice_other"] if self.orders else [])]
        if self.plan.decides == "other":
            sides.reverse()
        return (*sides, *(f"{side}_{tissue}" for side in sides for tissue in self.tissues))

    @property
    def amounts(self) -> tuple[float, ...]:
        """Numbers of subjects, as far as there are as many."""
        return tuple(n for n in AMOUNTS if n <= len(self.pool))

    @property
    def settings(self) -> Mapping[str, object]:
        """What decides a score: the plan, the people, their slices and labels."""
        sides = {"train": self.pool, "test": self.tests}
        people = {side: [[s.patient, *s.images.shape] for s in who] for side, who in sides.items()}
        sha256 = {side: digest(*_all(who)) for side, who in sides.items()}
        return {
            **asdict(self.plan), **people, "tissues": list(self.tissues), "labels": self.labels,
            "spacing": self.tests[0].spacing, "sha256": sha256,
        }  # fmt: skip

    @property
    def held_out(self) -> Tensor:
        """The test subjects' slices."""
        return torch.cat([subject.images for subject in self.tests])

    def described(self, amount: float) -> str:
        """Return a number of subjects in words."""
        return f"{amount:g} subject{'s' * (amount != 1)}"

    def check(self, amount: float) -> None:
        """Refuse a number of subjects that cannot be drawn.

        Raises:
            UsageError: It is not whole, or there are not as many.
        """
        if amount != int(amount) or not 1 <= amount <= len(self.pool):
            raise UsageError(
                f"amounts are whole numbers of subjects, and there are {len(self.pool)} to train "
                f"on; got {amount:g}"
            )

    def draw(self, amount: float, seed: int) -> Examples:
        """Return all slices of some subjects; see `check`."""
        self.check(amount)
        order = torch.randperm(len(self.pool), generator=torch.Generator().manual_seed(seed))
        chosen = [self.pool[n] for n in order[: int(amount)].tolist()]
        return Examples(
            torch.cat([s.images for s in chosen]), torch.cat([s.answers for s in chosen]),
            tuple(s.patient for s in chosen for _ in s.images),
        )  # fmt: skip

    def generate(self, real: Examples, seed: int) -> Examples:
        """Return images made of the label maps of these subjects, deformed; see the plan."""
        rng = torch.Generator().manual_seed(seed * 1009 + 1)
        ways: dict[str, Callable[..., Examples]] = {
            "randomised": randomised,
            "masks": partial(from_masks, steps=self.plan.pix2pix),
        }
        wanted = list(ways) if self.plan.source == "both" else [self.plan.source]
        count = self.plan.generated // len(wanted)
        return joined(
            [ways[way](real, count=count, classes=self.classes, rng=rng) for way in wanted]
        )

    def learn(self, examples: Examples, *, classical: bool, seed: int) -> nn.Module:
        """Return a U-Net that has learnt from slices."""
        plan = self.plan
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = Segmenter(dims=2, classes=self.classes, width=plan.width)
        model = channels_last(network, 2)
        objective = partial(paired, loss=cross_entropy_and_dice)
        learner = Supervised(model, objective=objective, steps=plan.steps, descent=adam(plan.rate))
        data = Drawn(examples, batch=plan.batch, seed=seed, classical=classical)
        fit(learner, data.batch, steps=plan.steps, report=lambda step, logged: None)
        return model.eval()

    def score(self, model: nn.Module) -> dict[str, float]:
        """Return mean Dice over test subjects: each a whole stack of slices."""
        tests = {"dice": [subject.images for subject in self.tests]}
        if self.orders:
            tests["dice_other"] = self.others
        answers = [subject.answers for subject in self.tests]
        found: dict[str, float] = {}
        for side, stacks in tests.items():
            whose = answers * (len(stacks) // len(answers))
            each = torch.cat([
                dices(segmented(model, images)[None], truth[None].long(), classes=self.classes)
                for images, truth in zip(stacks, whose, strict=True)
            ])[:, self.scored]  # fmt: skip
            found[side] = float(each.mean())
            found |= {
                f"{side}_{t}": float(d) for t, d in zip(self.tissues, each.mean(0), strict=True)
            }
        return found

    @cached_property
    def orders(self) -> list[tuple[float, ...]]:
        """Brightness of every label in the other contrasts; none where there is one tissue."""
        images, answers = _all(self.pool)
        means = [float(images[:, 0][answers == label].mean()) for label in range(self.classes)]
        return other_orders(means, most=self.plan.contrasts)

    @cached_property
    def others(self) -> list[Tensor]:
        """The test subjects in each of the other contrasts, one contrast after another."""
        pieces = [explained(s.images, s.answers.long(), count=self.classes) for s in self.tests]
        return [
            with_means(s.images, shares, old=old, new=new)
            for new in self.orders for s, (shares, old) in zip(self.tests, pieces, strict=True)
        ]  # fmt: skip


@torch.no_grad()
def segmented(model: nn.Module, images: Tensor) -> Tensor:
    """Return the most likely label of every pixel.

    Shape:
        ``(N, 1, H, W)`` -> ``(N, H, W)``, whole numbers.
    """
    found = []
    for part in torch.split(images, AT_ONCE):
        with torch.autocast(part.device.type, torch.bfloat16, enabled=made_for_half(model)):
            found.append(model(part).float().argmax(1))
    return torch.cat(found)


def other_orders(means: Sequence[float], *, most: int) -> list[tuple[float, ...]]:
    """Return brightnesses in which the tissues come in another order than in ``means``.

    Label 0, what lies outside, keeps its own. Of three tissues there are five other orders, and
    among them are those of T2 (fluid brightest, white matter darkest) and FLAIR (grey matter
    brightest, fluid darkest) where ``means`` are those of T1. Of more than ``most`` some are
    taken, evenly spread over all of them, the most different first.

    Example:
        >>> other_orders([0.0, 0.4, 0.8], most=5)
        [(0.0, 0.9, 0.25)]
    """
    tissues = len(means) - 1
    levels = torch.linspace(BRIGHT, DARK, tissues).tolist() if tissues > 1 else []
    ranks = sorted(range(tissues), key=lambda n: means[n + 1])
    orders: list[tuple[float, ...]] = []
    for number, order in enumerate(permutations(levels)):
        if number > 5000:  # of more tissues than seven: enough to choose from
            break
        if tissues > 1 and list(order) != levels[::-1]:
            placed = dict(zip(ranks, order, strict=True))
            orders.append((means[0], *(round(placed[n], 4) for n in range(tissues))))
    step = max(1, len(orders) // max(most, 1))
    return orders[::step][:most]


def _all(subjects: Sequence[Subject]) -> tuple[Tensor, Tensor]:
    """Return the slices of several subjects, and their labels."""
    return torch.cat([s.images for s in subjects]), torch.cat([s.answers for s in subjects])


def _check_labels(
    learnt: Sequence[int], tested: Sequence[int], names: Sequence[str] | None
) -> None:
    """Refuse labels that cannot be learnt or found, or that are not all named."""
    if len(learnt) < 2 or len(tested) < 2:
        raise UsageError("the label maps of a side hold nothing but 0, which is outside")
    unknown = ", ".join(str(label) for label in tested if label not in learnt)
    if unknown:
        raise UsageError(
            f"test subjects have labels that nobody to train on has: {unknown}; leave these out, "
            "or train on a subject that has them"
        )
    if names is not None and len(names) != len(learnt) - 1:
        raise UsageError(f"there are {len(learnt) - 1} labels besides 0, and {len(names)} names")
