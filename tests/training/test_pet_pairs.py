"""MRI and PET: pairs out of anatomy, pairs of anybody's own, and what is learnt of them.

- A simulated pair is decided by its seed, says SYNTHETIC and who it is, and is found by the table
  that lists it; a lesion is where the sidecar says, and nowhere else.
- PET is learnt in SUV by a fixed scale; Bq/ml is refused but from DICOM.
  Only left and right are mirrored.
- Slices beside a slice are channels. A width is learnt that is the expected error.
- ``synth`` takes what a table's columns name; a PET has a unit, anything else has none.
"""

import csv
import json
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from medacuity import formats
from medacuity.checkpoint import read_card
from medacuity.errors import UsageError
from medacuity.losses import median_and_spread
from medacuity.models import FineUNet
from medacuity.physics.pet_scanner import Scanner
from medacuity.physics.pet_uptake import FDG, Person
from medacuity.training import session
from medacuity.training.cases import Case
from medacuity.training.contrasts import make_contrasts
from medacuity.training.pairs import Pairs
from medacuity.training.pet_pairs import Subject, anatomy, scanned, with_lesion, write_pairs
from medacuity.training.prepare import prepare
from medacuity.training.recipes import RECIPES
from medacuity.training.session import Wish
from medacuity.volume import Volume

SHAPE = (40, 44, 40)
AFFINE = np.array([[-2.0, 0, 0, 39], [0, 2, 0, -43], [0, 0, 2, -39], [0, 0, 0, 1]])
COARSE = Scanner(spacing=4.0, views=36, subsets=6, iterations=2, counts=2e6)


def small_head() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a T1, tissues and labels: a ball of white in grey in fluid, a putamen on the right."""
    at = np.indices(SHAPE) - (np.array(SHAPE).reshape(3, 1, 1, 1) - 1) / 2
    radius = np.sqrt((at**2).sum(0))
    tissues = np.select([radius < 11, radius < 15, radius < 17], [3, 2, 1], 0).astype(np.uint8)
    labels = np.where(tissues == 2, 168, 0)
    putamen = ((at - np.array([-5, 0, 0]).reshape(3, 1, 1, 1)) ** 2).sum(0) < 9
    tissues[putamen], labels[putamen] = 2, 57
    t1 = np.array([0, 200, 600, 900])[tissues] + 20 * np.sin(at[1])
    return np.where(tissues > 0, t1, 0).astype(np.int16), tissues, labels.astype(np.int16)


@pytest.fixture(scope="module")
def subjects(tmp_path_factory) -> list[Subject]:
    """Return two patients with one anatomy."""
    folder = tmp_path_factory.mktemp("anatomy")
    for name, array in zip(("T1", "tissues", "labels"), small_head(), strict=True):
        nib.save(nib.Nifti1Image(array, AFFINE), folder / f"{name}.nii.gz")
    files = (folder / f"{name}.nii.gz" for name in ("T1", "tissues", "labels"))
    one = Subject("a", "train", "CC BY-NC", *files, persons=3)
    return [one, replace(one, patient="b", split="validate", persons=1)]


@pytest.fixture(scope="module")
def pairs(subjects, tmp_path_factory) -> Path:
    """Return a table of simulated pairs."""
    return write_pairs(tmp_path_factory.mktemp("pairs"), subjects, scanner=COARSE, lesions=0.5)


def test_a_pair_is_decided_by_its_seed_and_says_who_it_is(subjects, pairs, tmp_path):
    again = write_pairs(tmp_path, subjects[:1], scanner=COARSE, lesions=0.5)
    names = [row["PET"] for row in csv.DictReader(pairs.read_text().splitlines())]
    assert names == ["a_0_PET.nii.gz", "a_1_PET.nii.gz", "a_2_PET.nii.gz", "b_0_PET.nii.gz"]
    first, second = (formats.read(t.parent / names[0]) for t in (pairs, again))
    np.testing.assert_array_equal(first.volumes[0].array, second.volumes[0].array)
    assert first.synthetic
    assert first.volumes[0].spacing == pytest.approx((4, 4, 4))
    person = json.loads((pairs.parent / "a_0_PET.json").read_text())["person"]
    other = json.loads((pairs.parent / "a_1_PET.json").read_text())["person"]
    assert person["scale"] != other["scale"]
    before = (pairs.parent / names[0]).stat().st_mtime_ns
    write_pairs(pairs.parent, subjects, scanner=COARSE, lesions=0.5)
    assert (pairs.parent / names[0]).stat().st_mtime_ns == before


def test_a_lesion_is_in_the_pet_where_it_was_put_and_nowhere_else():
    _, tissues, labels = small_head()
    head = anatomy(Volume(tissues, AFFINE), Volume(labels, AFFINE))
    rng = torch.Generator().manual_seed(0)
    person = with_lesion(Person(), head, rng, hot=True)
    (lesion,) = person.lesions
    assert tissues[lesion.centre] == 2
    clean, ill = (scanned(head, p, scanner=COARSE).array for p in (Person(), person))
    change = ill - clean
    place = np.unravel_index(int(np.abs(change).argmax()), change.shape)
    assert np.abs(2.0 * np.array(place) + 0.5 - lesion.centre).max() <= 3
    assert change[place] > 0.2 * FDG.level * (lesion.ratio - 1)
    far = np.sqrt(((np.indices(change.shape).T - np.array(place)) ** 2).sum(-1)).T > 8
    assert np.abs(change[far]).max() < 0.05 * FDG.level


def test_tissues_and_labels_must_be_one_anatomy():
    _, tissues, labels = small_head()
    with pytest.raises(UsageError, match="one grid"):
        anatomy(Volume(tissues, AFFINE), Volume(labels[1:], AFFINE))
    with pytest.raises(UsageError, match="0 outside"):
        anatomy(Volume(np.zeros_like(tissues), AFFINE), Volume(labels, AFFINE))


def test_pet_is_learnt_in_suv_and_slices_know_their_neighbours(pairs):
    recipe = RECIPES["unet-slab-t1-pet"]
    case = next(c for c in recipe.find(pairs.parent, pairs) if c.patient == "b")
    a, b = make_contrasts(case, contrasts=recipe.contrasts, intensity=recipe.intensity, dims=2)
    pet = formats.read(case.target).volumes[0].array
    assert a.shape[1:2] == (5,)
    assert a.shape[2:] == b.shape[2:]
    assert float(b.max()) * 12 == pytest.approx(pet.max(), rel=0.15)
    assert torch.equal(a[1, 2], a[2, 1])
    assert torch.equal(a[1, 2], a[0, 3])


def test_values_in_another_unit_are_refused(pairs, monkeypatch):
    recipe = RECIPES["unet-t1-pet"]
    case = recipe.find(pairs.parent, pairs)[0]
    kept = formats.read

    def in_becquerel(path):
        source = kept(path)
        first = source.volumes[0]
        unit = "Bq/ml" if "PET" in Path(path).name else first.unit
        return replace(source, volumes=(Volume(first.array, first.affine, unit),))

    monkeypatch.setattr(formats, "read", in_becquerel)
    with pytest.raises(UsageError, match=r"Bq/ml become SUV by weight, .* name its DICOM"):
        recipe.make(case, torch.Generator())


@pytest.mark.parametrize("apart", [False, True])
def test_values_that_no_suv_has_are_refused_where_a_file_says_no_unit(subjects, tmp_path, apart):
    pet = 27_000 * (small_head()[1] == 2).astype(np.float32)
    nib.save(nib.Nifti1Image(pet, AFFINE), tmp_path / "pet.nii.gz")
    case = Case(subjects[0].mri, "p", "train", target=tmp_path / "pet.nii.gz", apart=apart)
    words = r"must be in SUV and reaches 27000, .*medacuity\.physics\.pet\.suv"
    with pytest.raises(UsageError, match=words) as said:
        RECIPES["unet-t1-pet"].make(case, torch.Generator())
    assert said.value.path == case.target


def test_only_left_and_right_are_mirrored(tmp_path):
    corner = torch.zeros(4, 1, 8, 8)
    corner[:, :, 0, 0] = 1.0
    recipe = replace(RECIPES["unet-t1-pet"], patch=(8, 8))
    made = replace_make(recipe, corner)
    prepare(made, [Case(tmp_path / "a", "a", "train")], tmp_path / "arrays")
    drawn = Pairs(tmp_path / "arrays", "train", patch=(8, 8), scale=(1, 1), seed=0,
                  mirrors=recipe.mirrors).batch(0, 32)  # fmt: skip
    assert torch.equal(drawn.input, drawn.target)
    places = {tuple(image[0].nonzero()[0].tolist()) for image in drawn.input}
    assert places == {(0, 0), (7, 0)}


def replace_make(recipe, x):
    """Return a recipe whose cases are all ``x``."""

    class Fixed(type(recipe)):
        def make(self, case, rng):
            return x, x

    return Fixed(**{name: getattr(recipe, name) for name in (f.name for f in fields(recipe))})


def test_the_width_that_is_learnt_is_the_expected_error():
    rng = torch.Generator().manual_seed(0)
    spread = torch.tensor([0.02, 0.2])
    noise = torch.distributions.Exponential(1.0)
    torch.manual_seed(0)
    error = (
        noise.sample((1000, 1, 2)) * spread * (torch.rand(1000, 1, 2, generator=rng) - 0.5).sign()
    )
    made = torch.zeros(1, 2, 2, requires_grad=True)
    optimiser = torch.optim.Adam([made], 0.15)
    for _ in range(120):
        optimiser.zero_grad()
        median_and_spread(made.expand(1000, 2, 2), 0.5 + error, weight=1.0).backward()
        optimiser.step()
    median, width = made.detach()[0]
    assert median.tolist() == pytest.approx([0.5, 0.5], abs=0.02)
    assert width.exp().tolist() == pytest.approx([0.02, 0.2], rel=0.2)


@pytest.fixture
def quick(monkeypatch):
    """Make networks so small that a run takes a second."""
    for name in ("unet-t1-pet", "synth", "unet-slab-t1-pet"):
        recipe = RECIPES[name]
        model = partial(FineUNet, **{**recipe.model.keywords, "width": 2, "depth": 2, "fine": 2})
        monkeypatch.setitem(RECIPES, name, replace(recipe, model=model, patch=(16, 16), batch=2))


@pytest.mark.parametrize("name", ["unet-t1-pet", "unet-slab-t1-pet"])
def test_a_run_ends_with_a_card_in_suv_that_knows_its_error(pairs, quick, tmp_path, name):
    wish = Wish(recipe=name, data=pairs.parent, cases=pairs, steps=2)
    card = read_card(session.begin(tmp_path / "run", wish, report=lambda *_: None))
    assert (card.input.contrast, card.output.contrast, card.output.unit) == ("T1", "PET", "SUV")
    assert card.output_intensity == {"kind": "fixed", "low": 0.0, "high": 12.0}
    assert card.interval > 0
    assert card.licence == "CC BY-NC"
    assert card.spacing == [2.0, 2.0]


@pytest.mark.parametrize(("wanted", "unit"), [("PET", "SUV"), ("CT", "a.u.")])
def test_pairs_of_ones_own_are_a_table(subjects, pairs, quick, tmp_path, wanted, unit):
    table = tmp_path / "pairs.csv"
    pets = sorted(pairs.parent.glob("*_PET.nii.gz"))
    rows = [[f"p{n}", subjects[0].mri, pet] for n, pet in enumerate(pets)]
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["patient", "MRI", wanted], *rows])
    said: list[str] = []
    wish = Wish(recipe="synth", data=table, steps=2)
    weights = session.begin(tmp_path / "run", wish, report=lambda *_: None, say=said.append)
    card = read_card(weights)
    assert (card.name, card.input.contrast, card.output.contrast) == ("synth", "MRI", wanted)
    assert card.output.unit == unit
    assert "resampled once" in said[0]
    assert "grid of 2 mm" in said[0]
    assert ("from 0 to 12" if unit == "SUV" else "name the column PET to have it in SUV") in said[1]


def test_scans_whose_pairing_is_hidden_are_not_said_to_lie_on_each_other():
    paired, hidden = (RECIPES[name].said()[0] for name in ("pix2pix-t1-pet", "cyclegan-t1-pet"))
    assert "taken for granted" in paired
    assert "taken for granted" not in hidden
    assert "in two folders, T1 and PET, none need to" in hidden
    assert len(RECIPES["pix2pix-t1-t2"].said()) == 1


@pytest.mark.parametrize("columns", [["patient", "MRI"], ["patient", "MRI", "PET", "CT"]])
def test_a_table_that_names_no_pair_is_refused(tmp_path, columns):
    table = tmp_path / "pairs.csv"
    table.write_text(",".join(columns) + "\n" + ",".join("x" for _ in columns) + "\n")
    with pytest.raises(UsageError, match="two columns of scans"):
        session.begin(tmp_path / "run", Wish(recipe="synth", data=table), report=lambda *_: None)


def test_synth_without_a_table_says_what_it_needs(tmp_path):
    with pytest.raises(UsageError, match=r"--data pairs\.csv"):
        session.begin(tmp_path / "run", Wish(recipe="synth", data=tmp_path), report=lambda *_: None)
