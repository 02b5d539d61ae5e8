"""A small classifier of small pictures, and how it learns: the downstream model."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medacuity.nd import channels_last, conv, norm
from medacuity.training.fit import fit
from medacuity.training.learners.descent import adam
from medacuity.training.learners.supervised import Batch, Supervised
from medacuity.utility.augment import classical as augmented
from medacuity.utility.task import Examples

AT_ONCE = 256  # images that are scored together


class Residual(nn.Module):
    """Two convolutions beside a shortcut (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(2, inputs, outputs, 3, stride=stride, bias=False), norm(2, outputs), nn.ReLU(),
            conv(2, outputs, outputs, 3, bias=False), norm(2, outputs),
        )  # fmt: skip
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else conv(2, inputs, outputs, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return features, halved in size at stride 2."""
        return F.relu(self.body(x) + self.shortcut(x))


class Classifier(nn.Module):
    """Say what a picture shows: three residual blocks at a half, a quarter, an eighth.

    Args:
        classes: How many there are to choose from.
        width: Features of the first block; twice as many in each one after it.

    Shape:
        ``(B, 1, H, W)`` -> ``(B, classes)``, the higher the likelier.

    Example:
        >>> Classifier(classes=3, width=8)(torch.rand(2, 1, 32, 32)).shape
        torch.Size([2, 3])
    """

    def __init__(self, *, classes: int, width: int = 24) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(2, 1, width, 3, stride=2, bias=False), norm(2, width), nn.ReLU(),
            Residual(width, width, stride=1),
            Residual(width, 2 * width, stride=2),
            Residual(2 * width, 4 * width, stride=2),
        )  # fmt: skip
        self.last = nn.Linear(4 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return a score for every class."""
        features = self.body(4 * x - 2)
        out: Tensor = self.last(features.mean((2, 3)))
        return out


class Drawn:
    """Batches of examples, in which every class comes as often as the others.

    Where real and generated examples come together, each kind has half of every batch, however
    many there are.

    Args:
        examples: What is drawn from.
        balanced: Whether classes come equally often, or as often as they are.
        classical: Whether each picture is changed by chance, differently each time.
        size: Pictures in a batch.
        seed: With the number of a batch it decides what is in it.
    """

    def __init__(
        self, examples: Examples, *, balanced: bool, classical: bool, size: int, seed: int
    ) -> None:
        self.examples, self.classical, self.size, self.seed = examples, classical, size, seed
        kinds = [examples.generated.long()]
        kinds += [examples.answers] if balanced else []
        every = torch.stack(kinds, 1)
        groups = torch.unique(every, dim=0)
        self.groups = [torch.nonzero((every == group).all(1))[:, 0] for group in groups]

    def batch(self, step: int) -> Batch:
        """Return the batch of one step."""
        rng = torch.Generator().manual_seed((self.seed << 32) + step)
        chosen = torch.stack([self._one(n, rng) for n in range(self.size)])
        images = self.examples.images[chosen]
        images = augmented(images, rng) if self.classical else images
        return Batch(images, self.examples.answers[chosen])

    def _one(self, n: int, rng: torch.Generator) -> Tensor:
        group = self.groups[n % len(self.groups)]
        return group[torch.randint(len(group), (), generator=rng)]


def learn_classes(batches: Drawn, *, classes: int, steps: int, seed: int) -> Classifier:
    """Return a classifier that has learnt from batches; ``seed`` decides what it starts from."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = Classifier(classes=classes)
    channels_last(model, 2)
    learner = Supervised(model, objective=crossed, steps=steps, descent=adam(2e-3, warm_up=50))
    fit(learner, batches.batch, steps=steps, report=lambda step, logged: None)
    return model.eval()


def crossed(model: nn.Module, batch: Batch) -> Tensor:
    """Return the cross entropy of what the model says of the images."""
    return F.cross_entropy(model(batch.input).float(), batch.target)


@torch.inference_mode()
def class_scores(model: nn.Module, images: Tensor) -> Tensor:
    """Return what a model says of images ``(N, classes)``, in full precision."""
    return torch.cat([model(part).float() for part in torch.split(images, AT_ONCE)])


def balanced_accuracy(scores: Tensor, answers: Tensor) -> float:
    """Return the mean over the classes of the share of their images that is found.

    An image is taken to be of the class with the highest score: no threshold is tuned.

    Example:
        >>> scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
        >>> balanced_accuracy(scores, torch.tensor([0, 0, 1, 1]))
        0.5
    """
    says = scores.argmax(1)
    kinds = torch.unique(answers)
    return float(torch.stack([(says[answers == k] == k).double().mean() for k in kinds]).mean())


def auc(scores: Tensor, answers: Tensor) -> float:
    """Return the area under the ROC curve; of several classes, the mean of each against the rest.

    It is the share of pairs of an image of the class and another one that are in order, ties
    counting half. Scores are taken as probabilities first, so that each class has its own.

    Example:
        >>> auc(torch.tensor([[2.0, 1.0], [1.0, 3.0], [0.0, 1.0]]), torch.tensor([0, 1, 0]))
        1.0
    """
    likely = scores.double().log_softmax(1)
    areas: Sequence[float] = [
        _area(likely[answers == k, k], likely[answers != k, k])
        for k in torch.unique(answers).tolist()
    ]
    return sum(areas) / len(areas)


def _area(positive: Tensor, negative: Tensor) -> float:
    above = (positive[:, None] > negative).double() + 0.5 * (positive[:, None] == negative).double()
    return float(above.mean())
