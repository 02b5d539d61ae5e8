"""Telling classes of pictures apart, with few of a rare class: does generated data help?"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from medacuity.checkpoint import file_sha256, find_weights
from medacuity.errors import UsageError
from medacuity.utility.classifier import (
    Drawn,
    auc,
    balanced_accuracy,
    class_scores,
    learn_classes,
)
from medacuity.utility.flow import class_flow
from medacuity.utility.generators import (
    Generator,
    conditional_gan,
    lent_variation,
    of_weights,
)
from medacuity.utility.labelled import Labelled, read_classes
from medacuity.utility.task import Examples, digest

COMPARED = 300  # test pictures that distances are compared with
FEWEST = 2  # pictures of a class that are always drawn
BUILT_IN = ("flow", "gan", "lent")


@dataclass(frozen=True)
class Settings:
    """All that decides a score besides amount, arm and seed.

    Args:
        generator: ``"flow"`` or ``"gan"``, trained on what was drawn, of the class asked for;
            ``"lent"``, differences between pictures added to others; or weights, by name or file.
        generated: Folder of ready-made pictures of every class, instead of a generator.
        each: Pictures generated of every class.
        generator_steps: Updates of the flow or the GAN.
        steps: Updates of the classifier.
        batch: Pictures in one.
        balanced: Whether every class comes as often, in all arms alike: what is gained then is
            no mere change of weights. Else pictures come as often as they are.
        size: Rows and columns.
    """

    generator: str = "flow"
    generated: str | None = None
    each: int = 500
    generator_steps: int = 1000
    steps: int = 250
    batch: int = 64
    balanced: bool = True
    size: int = 32


class Classification:
    """A small residual network, scored by balanced accuracy (the highest score wins) and AUC.

    Args:
        data: Pictures to learn from and to test on.
        settings: Everything else.

    Raises:
        UsageError: Weights are to generate, but have seen more than what will be drawn.
    """

    name = "classify"
    metrics = ("balanced accuracy", "AUC")
    amounts = (0.02, 0.1, 1.0)

    def __init__(self, data: Labelled, settings: Settings) -> None:
        self.data, self.wish = data, settings
        self.make, self.source = _generator(data, settings)

    @property
    def settings(self) -> Mapping[str, object]:
        """Return the settings, and which pictures there are."""
        told = {name: value for name, value in asdict(self.wish).items() if name != "generated"}
        sides = {"train": self.data.train, "test": self.data.test}
        return {
            **told,
            "generator": self.source,
            "classes": list(self.data.classes),
            "pictures": {side: self._counts(each) for side, each in sides.items()},
            "sha256": {side: digest(each.images, each.answers) for side, each in sides.items()},
        }

    @property
    def held_out(self) -> Tensor:
        """Return some of the test pictures, spread over all of them."""
        images = self.data.test.images
        return images[:: max(1, len(images) // COMPARED)]

    def described(self, amount: float) -> str:
        """Return how many pictures of each class an amount is."""
        counts = self._counts(self.draw(amount, 0))
        each = ", ".join(f"{count} {name}" for name, count in counts.items())
        return f"{100 * amount:g} % ({each})"

    def draw(self, amount: float, seed: int) -> Examples:
        """Draw a share of every class's patients, two or more."""
        if not 0 < amount <= 1:
            raise UsageError(f"amounts are shares of the pictures, above 0 up to 1, got {amount}")
        train = self.data.train
        rng = torch.Generator().manual_seed(seed)
        owners = [_owners(train, label) for label in range(len(self.data.classes))]
        chosen: set[str] = set()
        for names in owners:
            count = min(max(FEWEST, round(amount * len(names))), len(names))
            order = torch.randperm(len(names), generator=rng)[:count].tolist()
            chosen |= {names[n] for n in order}
        at = torch.tensor([n for n, name in enumerate(train.patients) if name in chosen])
        patients = tuple(train.patients[n] for n in at.tolist())
        return Examples(train.images[at], train.answers[at], patients)

    def generate(self, real: Examples, seed: int) -> Examples:
        """Return as many pictures of every class, made from these alone."""
        return self.make(real, self.wish.each, seed)

    def learn(self, examples: Examples, *, classical: bool, seed: int) -> nn.Module:
        """Return a classifier of these examples."""
        batches = Drawn(
            examples, balanced=self.wish.balanced, classical=classical, size=self.wish.batch,
            seed=seed,
        )  # fmt: skip
        kinds = len(self.data.classes)
        return learn_classes(batches, classes=kinds, steps=self.wish.steps, seed=seed)

    def score(self, model: nn.Module) -> dict[str, float]:
        """Return balanced accuracy and AUC on all test pictures."""
        scores, answers = class_scores(model, self.data.test.images), self.data.test.answers
        values = (balanced_accuracy(scores, answers), auc(scores, answers))
        return dict(zip(self.metrics, values, strict=True))

    def _counts(self, examples: Examples) -> dict[str, int]:
        kinds = enumerate(self.data.classes)
        return {name: int((examples.answers == label).sum()) for label, name in kinds}


def _owners(examples: Examples, label: int) -> list[str]:
    """Return the patients of a class, each once."""
    labelled = zip(examples.patients, examples.answers.tolist(), strict=True)
    return list(dict.fromkeys(name for name, answer in labelled if answer == label))


def _generator(data: Labelled, settings: Settings) -> tuple[Generator, str]:
    """Return what generates, and what is written down of it."""
    if settings.generated is not None:
        made = read_classes(Path(settings.generated), settings.size, data.classes, white=data.white)
        return (
            lambda real, each, seed: made
        ), f"ready-made {digest(made.images, made.answers)[:12]}"
    if settings.generator in ("flow", "gan"):
        train = class_flow if settings.generator == "flow" else conditional_gan
        return partial(train, steps=settings.generator_steps), settings.generator
    if settings.generator == "lent":
        return lent_variation, "lent"
    sha256 = file_sha256(find_weights(settings.generator))
    return partial(of_weights, weights=settings.generator), f"weights {sha256[:12]}"


def check_amounts(settings: Settings, amounts: tuple[float, ...]) -> None:
    """Refuse scarce data where the generator has seen all of it.

    Raises:
        UsageError: Weights are to generate, and an amount is less than everything.
    """
    ready = settings.generated is not None or settings.generator in BUILT_IN
    if not ready and any(amount < 1 for amount in amounts):
        raise UsageError(
            f"{settings.generator} has learnt from pictures that scarce data leaves out, which "
            "would decide the comparison; take --amounts 1, or --generator flow"
        )
