"""Photographs: the papers' own runs, and quick variants that two processor cores can finish.

What the papers leave open is said beside it. General-100 (FSRCNN), ImageNet (ESPCN, SRResNet)
and DIV2K (EDSR, RCAN) are no part of these recipes: T91, and T91 with BSDS200, take their
place. All of them learn luma alone, from antialiased bicubic reductions; two papers reduced
otherwise (ESPCN by a Gaussian blur) or trained in colour (SRResNet, EDSR, RCAN).

A ``-quick`` recipe makes the same weights by Adam with a cosine, in larger patches.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from medacuity.intensity import Picture
from medacuity.losses import Loss, charbonnier_sum, half_squares, l1, mse
from medacuity.models import (
    EDSR,
    ESPCN,
    FSRCNN,
    RCAN,
    SRCNN,
    VDSR,
    LapSRN,
    MSLapSRN,
    SRResNet,
)  # fmt: skip
from medacuity.training.learners.descent import (
    Descent,
    adam,
    adam_in_stages,
    adjustable,
    constant,
    geometric,
    sgd,
    staircase,
    unclipped,
)
from medacuity.training.learners.supervised import Supervised, paired, pyramid, pyramids
from medacuity.training.pictures import reduced, reduced_and_back, smaller
from medacuity.training.recipes.recipe import Enhancement
from medacuity.training.variety import untouched

T91 = ("T91",)
T291 = ("T91", "BSDS200")
FSRCNN_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6)
LAPSRN_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
LARGE = {2: (40, 40), 3: (32, 32), 4: (26, 26)}  # patches that nearly every picture of T91 holds
SMALL = {2: (24, 24), 3: (20, 20), 4: (16, 16)}
THETA = 1e-4  # of VDSR's clipping, which its paper does not print

PHOTO = Enhancement(
    name="", model=partial(ESPCN, scale=(2, 2), dims=2), degrade=partial(reduced, factor=2),
    history=untouched, learner=partial(Supervised), patch=(32, 32), sets=T91,
    intensity=Picture(), measured_by="bicubic", variants=1,
)  # fmt: skip


def _srcnn(factor: int, kernels: tuple[int, int, int] = (9, 1, 5)) -> list[Enhancement]:
    """33 x 33 patches of the enlarged picture every 14 pixels; what no padding touched counts.

    8e8 patches were seen (Dong et al., TPAMI 2016); biases and the last layer learn ten times
    slower, as in the authors' code.
    """
    sizes = "".join(map(str, kernels))
    kind = "srcnn" if sizes == "915" else f"srcnn-{sizes}"
    border = sum(kernel // 2 for kernel in kernels)
    descent = sgd(1e-4, schedule=constant, clip=unclipped, slower={"bias": 0.1, "body.4": 0.1})
    paper = replace(
        PHOTO, name=f"{kind}-photo-x{factor}",
        model=partial(SRCNN, scale=(1, 1), dims=2, kernels=kernels),
        degrade=partial(reduced_and_back, factors=(factor,)), serves=((factor, factor),),
        learner=_learner(half_squares, descent, border=border), patch=(33, 33), stride=(14, 14),
        batch=128, steps=6_250_000, seed=factor,
        task=f"pictures with {factor} times the pixels (SRCNN {'-'.join(sizes)})",
    )  # fmt: skip
    quick = _learner(mse, adam(2e-3), border=border)
    return [
        paper,
        replace(_quick(paper, quick, patch=(45, 45), batch=16, steps=20_000), draw=he_normal),
    ]


def _fsrcnn(factor: int) -> list[Enhancement]:
    """Small patches of pictures at five sizes; the transposed convolution learns slower.

    x3 and x4 start from x2 with only that layer changing (Dong et al., ECCV 2016). The paper
    trains "until saturation"; the length is ours.
    """
    slower = {"enlarge": 0.1} if factor == 2 else {"body": 0.0, "enlarge": 0.1}
    patch = {2: 10, 3: 7, 4: 6}[factor]
    paper = replace(
        PHOTO, name=f"fsrcnn-photo-x{factor}",
        model=partial(FSRCNN, scale=(factor, factor), dims=2),
        degrade=partial(reduced, factor=factor), history=partial(smaller, shares=FSRCNN_SHARES),
        learner=_learner(
            half_squares, sgd(1e-3, schedule=constant, clip=unclipped, slower=slower)
        ),
        patch=(patch, patch), stride=(7, 7), batch=128, steps=1_000_000, seed=factor, variants=10,
        start=None if factor == 2 else "fsrcnn-photo-x2",
        task=f"pictures with {factor} times the pixels (FSRCNN)",
    )  # fmt: skip
    # Many small steps: so few weights are steered better often than exactly.
    quick = _learner(mse, adam(1e-3))
    return [paper, _quick(paper, quick, patch=SMALL[factor], batch=8, steps=60_000)]


def _espcn(factor: int) -> list[Enhancement]:
    """17 x 17 input pixels every 14; the rate falls from 0.01 to 0.0001 (Shi et al., 2016).

    The paper lowers it when the cost stalls and stops after 100 epochs without a gain; here it
    falls evenly over a length that is ours.
    """
    descent = sgd(
        0.01, schedule=partial(geometric, last=0.01), clip=unclipped, slower={"body.4": 0.1}
    )
    paper = replace(
        PHOTO, name=f"espcn-photo-x{factor}", model=partial(ESPCN, scale=(factor, factor), dims=2),
        degrade=partial(reduced, factor=factor), learner=_learner(mse, descent),
        patch=(17, 17), stride=(14, 14), batch=16, steps=1_000_000, seed=factor,
        task=f"pictures with {factor} times the pixels (ESPCN)",
    )  # fmt: skip
    quick = _learner(mse, adam(2e-3))
    return [paper, _quick(paper, quick, patch=LARGE[factor], batch=16, steps=80_000)]


def _vdsr() -> list[Enhancement]:
    """41 x 41 patches side by side, three factors in a batch, the rate 0.1 and its clipping.

    Kim et al., CVPR 2016: 80 epochs in 9960 updates, the rate a tenth after every 20 epochs.
    """
    clip = partial(adjustable, theta=THETA)
    descent = sgd(0.1, schedule=partial(staircase, stages=4, by=0.1), clip=clip, decay=1e-4)
    paper = replace(
        PHOTO, name="vdsr-photo", model=partial(VDSR, scale=(1, 1), dims=2),
        degrade=partial(reduced_and_back, factors=(2, 3, 4)), serves=((2, 2), (3, 3), (4, 4)),
        learner=_learner(half_squares, descent), patch=(41, 41), stride=(41, 41), batch=64,
        steps=9_960, seed=1, sets=T291, variants=6,
        task="pictures with 2, 3 or 4 times the pixels (VDSR)",
    )  # fmt: skip
    unclipped_run = replace(
        paper, name="vdsr-photo-unclipped", task="VDSR without its clipping, to see what it is for",
        learner=_learner(half_squares, replace(descent, clip=unclipped)),
    )  # fmt: skip
    return [paper, unclipped_run]


def _lapsrn() -> list[Enhancement]:
    """32 x 32 input pixels, every level of the pyramid compared (Lai et al., CVPR 2017).

    The rate halves every 50 epochs down to a tenth; the length is ours. Biases learn slower.
    x8 has five convolutions a level and weights of its own, as the authors released it.
    """
    descent = sgd(
        1e-5, schedule=partial(staircase, stages=4, by=0.5), clip=unclipped, decay=1e-4,
        slower={"bias": 0.1},
    )  # fmt: skip
    objective = partial(pyramid, loss=charbonnier_sum)
    paper = replace(
        PHOTO, name="lapsrn-photo", model=partial(LapSRN, scale=(4, 4), dims=2),
        degrade=partial(reduced, factor=4), history=partial(smaller, shares=LAPSRN_SHARES),
        serves=((4, 4), (2, 2), (3, 3)), learner=partial(
            Supervised, objective=objective, descent=descent
        ),
        patch=(32, 32), batch=64, steps=200_000, seed=1, sets=T291, variants=6,
        task="pictures with 2, 3 or 4 times the pixels (LapSRN)",
    )  # fmt: skip
    largest = replace(
        paper, name="lapsrn-photo-x8",
        model=partial(LapSRN, scale=(8, 8), dims=2, convolutions=5),
        degrade=partial(reduced, factor=8), serves=((8, 8),), patch=(16, 16),
        task="pictures with 8 times the pixels (LapSRN)",
    )  # fmt: skip
    quick = partial(Supervised, objective=objective, descent=adam(5e-4))
    return [paper, largest, _quick(paper, quick, patch=(24, 24), batch=8, steps=6_000)]


def _mslapsrn() -> list[Enhancement]:
    """128 x 128 patches, a third of the batch for each of x2, x4, x8 (Lai et al., TPAMI 2018)."""
    descent = sgd(
        5e-6, schedule=partial(staircase, stages=4, by=0.5), clip=unclipped, decay=1e-4,
        slower={"bias": 0.1},
    )  # fmt: skip
    objective = partial(pyramids, loss=charbonnier_sum, factors=(2, 4, 8))
    model = partial(MSLapSRN, scale=(8, 8), dims=2)
    paper = replace(
        PHOTO, name="mslapsrn-photo", model=model, degrade=partial(reduced, factor=8),
        history=partial(smaller, shares=LAPSRN_SHARES),
        serves=((8, 8), (4, 4), (2, 2), (3, 3)),
        learner=partial(Supervised, objective=objective, descent=descent),
        patch=(16, 16), batch=64, steps=200_000, seed=1, sets=T291, variants=6,
        task="pictures with 2, 3, 4 or 8 times the pixels (MS-LapSRN, 8 recursions)",
    )  # fmt: skip
    quick = partial(Supervised, objective=objective, descent=adam(5e-4))
    return [paper, _quick(paper, quick, patch=(12, 12), batch=12, steps=6_000)]


def _srresnet() -> list[Enhancement]:
    """24 x 24 input pixels, 16 in a batch, mean squared error (Ledig et al., CVPR 2017)."""
    paper = replace(
        PHOTO, name="srresnet-photo-x4", model=partial(SRResNet, scale=(4, 4), dims=2),
        degrade=partial(reduced, factor=4), learner=_learner(mse, adam_in_stages(1e-4, stages=1)),
        patch=(24, 24), batch=16, steps=1_000_000, seed=4, sets=T291,
        task="pictures with 4 times the pixels (SRResNet)",
    )  # fmt: skip
    return [paper]


def _very_deep(factor: int) -> list[Enhancement]:
    """48 x 48 input pixels, 16 in a batch, absolute error (Lim et al., 2017; Zhang et al., 2018).

    The rate halves after every 200,000 updates; x3 and x4 start from x2.
    """
    edsr = replace(
        PHOTO, name=f"edsr-photo-x{factor}", model=partial(EDSR, scale=(factor, factor), dims=2),
        degrade=partial(reduced, factor=factor), learner=_learner(l1, adam_in_stages(1e-4)),
        patch=(48, 48), batch=16, steps=300_000, seed=factor, sets=T291,
        start=None if factor == 2 else "edsr-photo-x2",
        task=f"pictures with {factor} times the pixels (EDSR-baseline)",
    )  # fmt: skip
    large = partial(EDSR, scale=(factor, factor), dims=2, width=256, blocks=32, residual=0.1)
    rcan = partial(RCAN, scale=(factor, factor), dims=2)
    return [
        edsr,
        replace(edsr, name=f"edsr-large-photo-x{factor}", model=large,
                start=None if factor == 2 else "edsr-large-photo-x2",
                task=f"pictures with {factor} times the pixels (EDSR)"),
        replace(edsr, name=f"rcan-photo-x{factor}", model=rcan,
                start=None if factor == 2 else "rcan-photo-x2",
                task=f"pictures with {factor} times the pixels (RCAN)"),
    ]  # fmt: skip


def _learner(loss: Loss, descent: Descent, *, border: int = 0) -> partial[Any]:
    return partial(Supervised, objective=partial(paired, loss=loss, border=border), descent=descent)


def _quick(
    paper: Enhancement, learner: partial[Any], *, patch: tuple[int, int], batch: int, steps: int
) -> Enhancement:
    return replace(
        paper, name=f"{paper.name}-quick", learner=learner, patch=patch, stride=None,
        batch=batch, steps=steps,
    )  # fmt: skip


def he_normal(model: nn.Module) -> None:
    """Draw SRCNN's kernels as wide as ReLUs need; from N(0, 0.001) it starts many times slower."""
    *first, last = [weight for weight in model.parameters() if weight.ndim > 1]
    for kernel in first:
        nn.init.kaiming_normal_(kernel, nonlinearity="relu")
    nn.init.normal_(last, std=0.001)


FACTORS = (2, 3, 4)
LARGER = ((9, 3, 5), (9, 5, 5))
RECIPES = [
    *(recipe for make in (_srcnn, _fsrcnn, _espcn) for n in FACTORS for recipe in make(n)),
    *(recipe for n in FACTORS for kernels in LARGER for recipe in _srcnn(n, kernels)),
    *_vdsr(),
    *_lapsrn(),
    *_mslapsrn(),
    *_srresnet(),
    *(recipe for n in FACTORS for recipe in _very_deep(n)),
]
