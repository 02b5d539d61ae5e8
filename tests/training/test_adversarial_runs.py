"""Adversarial recipes run from scans to weights, and resume as if they had never stopped.

- Contrasts (with pairs, with the pairing hidden) and labelled pictures: prepared, trained, looked
  at, saved with cards that say what goes in and what comes out; CycleGAN ends with both ways.
- Stopped and resumed, the last checkpoint is that of the run that was never stopped, to the bit:
  both networks, both optimisers, averages, replay buffers.
- Every adversarial recipe on the menu is whole: it takes a step, and its weights load.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from safetensors.torch import load
from training_makers import head, settings

from medacuity.checkpoint import load_weights
from medacuity.models import FineUNet, SRGANCritic
from medacuity.training.learners.gan import Samples
from medacuity.training.learners.supervised import Batch
from medacuity.training.prepare import prepare
from medacuity.training.recipes import (
    RECIPES,
    Enhancement,
    Generation,
    Recipe,
    Translation,
)
from medacuity.training.recipes.contrasts import upside_down
from medacuity.training.run import resume_run, start_run

STEPS = 4
ADVERSARIAL = [
    n for n, r in RECIPES.items() if n.startswith(("pix2pix", "cyclegan", "gan", "cgan"))
]


def quiet(step: int, of: int, logged: dict[str, float]) -> None:
    """Say nothing."""


def dies(step: int, of: int, logged: dict[str, float]) -> None:
    """Stop the run after its second step, which has a checkpoint before it."""
    if step == 3:
        raise KeyboardInterrupt


def smaller(recipe: Recipe) -> Recipe:
    """Return a recipe that runs in seconds, on the menu under a name of its own."""
    sizes = {
        "FineUNet": {"width": 4, "depth": 2, "fine": 4},
        "DCGANGenerator": {"width": 4, "size": 8},
    }[recipe.model.func.__name__]
    model = partial(recipe.model, **sizes)
    arguments = dict(recipe.learner.keywords)
    if "back" in arguments:
        arguments["back"] = model
    changes: dict[str, object] = {"name": f"tiny-{recipe.name}", "model": model, "steps": STEPS}
    if isinstance(recipe, Generation):
        changes |= {"batch": 4}
        arguments["critic"] = partial(arguments["critic"], width=4, size=8)
    else:
        changes |= {"batch": 2, "patch": (16,) * recipe.dims, "draw": None}
        arguments["critic"] = partial(arguments["critic"], width=4, layers=1)
    learner = partial(recipe.learner.func, **arguments)
    tiny = replace(recipe, learner=learner, **changes)  # type: ignore[arg-type]
    RECIPES[tiny.name] = tiny
    return tiny


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Write two patients with two contrasts, and a labelled set."""
    folder = tmp_path_factory.mktemp("data")
    for n, patient in enumerate(("a1", "b0")):  # by its name, b0 is there to validate
        scan = head(n)
        for kind, array in (("T1", scan), ("T2", scan.max() - scan), ("FLAIR", scan // 2)):
            (folder / patient).mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(array, np.eye(4)), folder / patient / f"{kind}.nii.gz")
    rng = np.random.default_rng(0)
    arrays = {
        f"{side}_{what}": values
        for side in ("train", "val")
        for what, values in (
            ("images", rng.integers(0, 256, (12, 8, 8), dtype=np.uint8)),
            ("labels", (np.arange(12) % 4 > 0)[:, None].astype(np.uint8)),
        )
    }
    np.savez(folder / "set.npz", **arrays)
    return folder


@pytest.fixture
def menu():
    """Take what a test put on the menu off again."""
    before = dict(RECIPES)
    yield
    RECIPES.clear()
    RECIPES.update(before)


def prepared(recipe: Recipe, data: Path, folder: Path) -> Path:
    """Prepare arrays; one patient is there to validate, whatever the names say."""
    cases = recipe.find(data, None)
    if isinstance(recipe, Translation):
        cases = [replace(c, split=s) for c, s in zip(cases, ("train", "validate"), strict=True)]
    prepare(recipe, cases, folder / "arrays")
    return folder


def tensors(run: Path) -> dict[str, torch.Tensor]:
    """Return everything the last checkpoint holds."""
    return load((run / f"checkpoints/step-{STEPS:08d}/tensors.safetensors").read_bytes())


@pytest.mark.parametrize("name", ["pix2pix-t1-t2", "cyclegan-t1-t2", "cgan-pneumonia"])
def test_stopped_and_resumed_is_never_stopped(name, data, tmp_path, menu):
    recipe = smaller(RECIPES[name])
    home = prepared(recipe, data, tmp_path)
    wish = settings(home, recipe, save_every=2)
    start_run(tmp_path / "whole", wish, quiet)
    with pytest.raises(KeyboardInterrupt):
        start_run(tmp_path / "broken", wish, dies)
    resume_run(tmp_path / "broken", quiet)
    whole, broken = (tensors(tmp_path / run) for run in ("whole", "broken"))
    assert whole.keys() == broken.keys()
    assert all(torch.equal(whole[k], broken[k]) for k in whole)


def test_cards_say_what_goes_in_and_what_comes_out(data, tmp_path, menu):
    recipe = smaller(RECIPES["cyclegan-t1-t2"])
    there = start_run(tmp_path / "run", settings(prepared(recipe, data, tmp_path), recipe), quiet)
    back = there.with_name("cyclegan-t2-t1.safetensors")
    for path, given, wanted in ((there, "T1", "T2"), (back, "T2", "T1")):
        card = load_weights(path).card
        assert (card.input.contrast, card.output.contrast) == (given, wanted)
        assert card.purpose == "synthesize"
        assert ("validation_ssim" in card.training) == (path == there)
    one, other = (load_weights(p).model.state_dict() for p in (there, back))
    assert not all(torch.equal(one[k], other[k]) for k in one)


def test_the_card_of_a_generator_names_its_classes(data, tmp_path, menu):
    recipe = smaller(RECIPES["cgan-pneumonia"])
    path = start_run(tmp_path / "run", settings(prepared(recipe, data, tmp_path), recipe), quiet)
    trained = load_weights(path)
    assert trained.card.purpose == "generate"
    assert trained.card.classes == ["normal", "pneumonia"]
    made = trained.model(torch.randn(2, 64), torch.tensor([0, 1]))
    assert made.shape == (2, 1, 8, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ADVERSARIAL)
def test_every_recipe_takes_a_step(name):
    recipe = RECIPES[name]
    learner = recipe.learner(recipe.model(), steps=recipe.steps)
    if isinstance(recipe, Generation):
        size = int(recipe.model.keywords["size"])
        labels = torch.randint(0, 2, (8,)) if recipe.model.keywords["classes"] else None
        logged = learner.step(Samples(torch.rand(8, 1, size, size), labels))
    elif isinstance(recipe, Translation):
        channels = recipe.model.keywords.get("channels", 1)
        given, wanted = (torch.rand(1, n, *recipe.patch) for n in (channels, 1))
        logged = learner.step(Batch(given, wanted))
    assert logged["skipped"] == 0


@pytest.mark.parametrize("dims", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_upside_down_turns_brightness_round_and_leaves_air(dims):
    torch.manual_seed(0)
    network = FineUNet(dims=dims, width=8, depth=3, fine=8)
    upside_down(network)
    size = 64 if dims == 2 else 32
    x = torch.zeros(1, 1, *[size] * dims)
    box = {n: (..., *[slice(n, size - n)] * dims) for n in (size // 8, 3 * size // 8)}
    x[box[size // 8]] = 0.8
    x[box[3 * size // 8]] = 0.2
    with torch.no_grad():
        made = network(x)[0, 0]
    line = made[*[size // 2] * (dims - 1)]
    places = size // 2, size // 4, 1
    dark, bright, air = (float(line[n - 1 : n + 2].mean()) for n in places)
    assert dark > 1.3 * bright > 2.6 * air


def test_srgan_begins_with_the_network_of_least_squared_error():
    for name, recipe in RECIPES.items():
        if name.startswith("srgan"):
            assert isinstance(recipe, Enhancement)
            first = RECIPES[recipe.start]
            assert first.model.func is recipe.model.func
            assert first.model.keywords == recipe.model.keywords
            critic: Callable[[], torch.nn.Module] = recipe.learner.keywords["critic"]
            assert isinstance(critic(), SRGANCritic)
