"""CT from little dose or few views: a U-Net behind TV and FBP, and learned primal-dual.

``...-low-dose`` is for LoDoPaB-CT's scan, 1000 views of 513 bins with 4096 photons at each;
``...-sparse`` for 60 of these views. Both learn in a scanner an eighth as large, whose pixels, bins
and views lie as densely. Primal-dual begins with FBPConvNet as its first part, so that what it
learns is what the rays still have to say.
"""

from functools import partial

from medacuity.losses import decibel
from medacuity.models import FBPConvNet, PrimalDual
from medacuity.training.learners.descent import adam
from medacuity.training.learners.supervised import Supervised, paired
from medacuity.training.projections import Scanner, unrolled
from medacuity.training.recipes.recipe import Reconstruction

SCANNERS = {
    "low-dose": Scanner(views=352, parts=8, photons=(3e3, 3e4)),
    "sparse": Scanner(views=21, parts=1, photons=(8e3, 1e7), quiet=0.34),
}
TASKS = {
    "low-dose": "CT from all views at little dose",
    "sparse": "CT from few views",
}


def _fbpconvnet(kind: str) -> Reconstruction:
    loss = partial(paired, loss=decibel)
    return Reconstruction(
        name=f"fbpconvnet-{kind}",
        model=partial(FBPConvNet, dims=2, width=15, depth=3, beside=1),
        learner=partial(Supervised, objective=loss, descent=adam(2e-3)),
        scanner=SCANNERS[kind],
        unrolled=False,
        batch=8,
        steps=1_000,
        task=f"{TASKS[kind]}, FBPConvNet",
    )


def _primal_dual(kind: str, network: partial[PrimalDual]) -> Reconstruction:
    loss = partial(unrolled, loss=decibel, scanner=SCANNERS[kind])
    return Reconstruction(
        name=f"primal-dual-{kind}",
        model=network,
        learner=partial(Supervised, objective=loss, descent=adam(7e-4, longest=1.0)),
        scanner=SCANNERS[kind],
        unrolled=True,
        start=f"fbpconvnet-{kind}",
        batch=4,
        steps=500,
        task=f"{TASKS[kind]}, learned primal-dual",
    )


NETWORK = partial(PrimalDual, dims=2, iterations=5, memory=4, width=24, first=15, beside=1)

RECIPES = [
    recipe for kind in SCANNERS for recipe in (_fbpconvnet(kind), _primal_dual(kind, NETWORK))
]
