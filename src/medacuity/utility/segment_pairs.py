"""Images that a network makes of label maps: pix2pix the other way round, from few subjects."""

from functools import partial

import torch
from torch import Tensor, nn

from medacuity.models import FineUNet, PatchGAN
from medacuity.nd import channels_last
from medacuity.training.fit import fit
from medacuity.training.learners.conditional import Conditional
from medacuity.training.learners.supervised import Batch, made_for_half
from medacuity.training.masks import channel_each
from medacuity.utility.segment_data import CHUNK, Drawn, moved
from medacuity.utility.task import Examples

BATCH = 4
WIDTH = 12


def from_masks(
    real: Examples, *, count: int, classes: int, rng: torch.Generator, steps: int
) -> Examples:
    """Return images that a pix2pix, trained on these examples alone, makes of their deformed maps.

    Args:
        real: Slices and their label maps.
        count: Images to make.
        classes: Labels there are, with 0.
        rng: Source of randomness.
        steps: Updates of the network.
    """
    seed = int(torch.randint(2**31, (), generator=rng))
    model = learnt(real, classes=classes, seed=seed, steps=steps)
    images, answers = [], []
    for start in range(0, count, CHUNK):
        chosen = torch.randint(len(real), (min(CHUNK, count - start),), generator=rng)
        labels = real.answers[chosen].long()[:, None]
        labels = moved(labels, labels, rng)[1]
        images.append(made(model, labels, classes=classes))
        answers.append(labels[:, 0].to(real.answers.dtype))
    names = tuple(f"generated mask {n}" for n in range(count))
    return Examples(torch.cat(images), torch.cat(answers), names, made=True)


def learnt(real: Examples, *, classes: int, seed: int, steps: int) -> nn.Module:
    """Return a network from label maps to images, trained on pairs with a critic."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = FineUNet(dims=2, channels=classes, width=WIDTH, depth=4, fine=WIDTH)
        model = channels_last(network, 2)
        critic = partial(PatchGAN, dims=2, channels=classes + 1, width=16, layers=2)
        learner = Conditional(model, critic=critic, steps=steps)
        data = Drawn(real, batch=BATCH, seed=seed, classical=False)

        def batches(step: int) -> Batch:
            """Return the pairs of a step, label maps with a channel for each class."""
            x, labels = data.batch(step)
            return Batch(channel_each(labels, classes), x)

        fit(learner, batches, steps=steps, report=lambda step, logged: None)
    return model.eval()


@torch.no_grad()
def made(model: nn.Module, labels: Tensor, *, classes: int) -> Tensor:
    """Return the images that a network makes of label maps, at least 0."""
    with torch.autocast(labels.device.type, torch.bfloat16, enabled=made_for_half(model)):
        images: Tensor = model(channel_each(labels, classes)).float()
    return images.clamp(min=0)
