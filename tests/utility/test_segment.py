"""Segmentation of few subjects: learns, leaks nothing, and is tested in contrasts it never saw.

- On bright and dark blobs a model learns, and draws and models depend on their seed alone.
- What is generated comes of the subjects drawn: nobody else is looked at, their images neither.
- Generated slices help where the order of brightness is another (here shape tells much of it).
- The other orders are all there are but the scans' own; label 0 keeps its brightness.
- Batches are half real and half generated; masks go with their images; generated slices are
  never augmented.
- The command reads a table of any NIfTI, and says in one line what is wrong with it.
"""

import csv
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from medacuity.cli import main
from medacuity.errors import MalformedInput, UsageError
from medacuity.utility.segment import Segmentation, Segmenting, other_orders, segmented
from medacuity.utility.segment_data import Drawn, augmented, randomised, with_outside
from medacuity.utility.segment_pairs import from_masks
from medacuity.utility.subjects import Subject, read_subjects, read_table
from medacuity.utility.task import Examples, joined

MEANS = (0.0, 0.4, 0.6, 0.9)
TINY = Segmenting(steps=80, batch=6, width=6, rate=4e-3, generated=40, contrasts=2, pix2pix=20)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def subject(name: str, slices: int = 6, size: tuple[int, int] = (32, 48)) -> Subject:
    """Return nested blobs of three tissues, of a place and size of their own."""
    rng = seeded(sum(map(ord, name)))
    rows, columns = torch.meshgrid(*(torch.arange(float(n)) for n in size), indexing="ij")
    answers = torch.zeros(slices, *size, dtype=torch.long)
    for each in answers:
        middle = torch.tensor(size) / 2 + torch.randn(2, generator=rng)
        radius = 11 + 2 * torch.rand((), generator=rng)
        away = ((rows - middle[0]) ** 2 + ((columns - middle[1]) / 1.4) ** 2).sqrt() / radius
        for label, edge in ((1, 1.0), (2, 0.8), (3, 0.5)):
            each[away < edge] = label
    images = torch.tensor(MEANS)[answers] + 0.03 * torch.randn(answers.shape, generator=rng)
    return Subject(name, images.clamp(min=0)[:, None], answers)


def replanned(task: Segmentation, **changes: object) -> Segmentation:
    """Return the same subjects under another plan."""
    return Segmentation({"train": task.pool, "test": task.tests}, replace(task.plan, **changes))


@pytest.fixture(scope="module")
def task() -> Segmentation:
    people = {"train": [subject(n) for n in "abc"], "test": [subject(n) for n in "xy"]}
    return Segmentation(people, TINY, names=["fluid", "grey", "white"])


def test_it_learns_and_generated_slices_help_in_other_orders(task):
    real = task.draw(1, 0)
    made = task.generate(real, 0)
    plain = task.score(task.learn(real, classical=False, seed=0))
    both = task.score(task.learn(joined([real, made]), classical=False, seed=0))
    assert set(plain) == set(task.metrics)
    assert plain["dice"] > 0.8
    assert both["dice_other"] > plain["dice_other"] + 0.15
    each = [plain[f"dice_{t}"] for t in task.tissues]
    assert plain["dice"] == pytest.approx(sum(each) / 3)


def test_seeds_decide(task):
    first, again = (task.draw(2, 3) for _ in range(2))
    assert torch.equal(first.images, again.images)
    assert len(set(first.patients)) == 2
    assert any(set(task.draw(2, n).patients) != set(first.patients) for n in range(5))
    assert torch.equal(task.generate(first, 1).images, task.generate(again, 1).images)
    quick = replanned(task, steps=2)
    weights = [quick.learn(first, classical=True, seed=s).state_dict() for s in (1, 1, 2)]
    assert all(torch.equal(a, b) for a, b in zip(*map(dict.values, weights[:2]), strict=True))
    assert not torch.equal(*(w["unet.down.0.0.weight"] for w in weights[1:]))


def test_nothing_leaks(task):
    """Whoever was not drawn could be anybody else, and the generated data were the same."""
    real = task.draw(1, 0)
    others = [s for s in task.pool if s.patient not in real.patients]
    strangers = [replace(s, images=torch.rand_like(s.images)) for s in others]
    mine = [s for s in task.pool if s.patient in real.patients]
    elsewhere = Segmentation({"train": [*mine, *strangers], "test": task.tests}, TINY)
    assert torch.equal(task.generate(real, 0).images, elsewhere.generate(real, 0).images)
    assert not {*real.patients} & {s.patient for s in task.tests}
    assert bool(task.generate(real, 0).generated.all())


def test_no_image_is_looked_at_to_draw_contrasts(task):
    real = task.draw(2, 0)
    darker = replace(real, images=real.images * 0.5 * (real.answers > 0)[:, None])
    pair = [randomised(x, count=9, classes=4, rng=seeded()) for x in (
        replace(real, images=real.images * (real.answers > 0)[:, None]), darker)]  # fmt: skip
    assert torch.equal(pair[0].images, pair[1].images)


def test_images_of_masks_come_of_masks(task):
    real = task.draw(1, 0)
    made = from_masks(real, count=5, classes=4, rng=seeded(), steps=40)
    assert made.images.shape == (5, 1, 32, 48)
    assert made.answers.shape == (5, 32, 48)
    inside, outside = (
        float(made.images[:, 0][mask].mean()) for mask in (made.answers == 3, made.answers == 0)
    )
    assert inside > outside + 0.1
    both = replanned(task, source="both", generated=4).generate(real, 0)
    assert [name.split()[1] for name in both.patients] == ["contrast"] * 2 + ["mask"] * 2


def test_what_is_outside_gets_labels_of_its_own():
    images = torch.zeros(1, 1, 4, 8)
    answers = torch.zeros(1, 4, 8, dtype=torch.long)
    answers[0, 1] = 1
    images[0, 0, 2] = torch.linspace(0.2, 0.9, 8)
    regions = with_outside(Examples(images, answers, ("a",)), classes=2)
    assert set(regions[0, 2].tolist()) == {2, 3, 4}
    assert regions[0, [0, 3]].abs().max() == 0
    assert (regions[0, 1] == 1).all()


def test_batches_are_half_and_half(task):
    real = task.draw(1, 0)
    made = replace(task.generate(real, 0), images=torch.full((40, 1, 32, 48), 7.0))
    data = Drawn(joined([real, made]), batch=6, seed=0, classical=True)
    batch = data.batch(5)
    assert batch.target.shape == (6, 1, 32, 48)
    assert ((batch.input == 7).flatten(1).all(1)).tolist() == [False] * 3 + [True] * 3
    assert torch.equal(batch.input, data.batch(5).input)
    assert not torch.equal(batch.input[:3], data.batch(6).input[:3])


def test_masks_go_with_their_images(task):
    s = task.pool[0]
    x, labels = augmented(s.images, s.answers[:, None], seeded())
    means = [float(x[labels == label].mean()) for label in range(4)]
    assert means == sorted(means)
    assert means[3] > means[0] + 0.4
    assert not torch.equal(x, s.images)


def test_other_orders_are_all_but_the_scans_own():
    orders = other_orders([0.1, 0.4, 0.6, 0.9], most=9)
    assert len(orders) == 5
    assert all(order[0] == 0.1 for order in orders)
    every = {tuple(np.argsort(order[1:])) for order in orders}
    assert every == set(permutations(range(3))) - {(0, 1, 2)}
    assert orders[0][1:] == (0.9, 0.575, 0.25)  # the most different one: T2's
    assert other_orders([0.0, 0.5], most=5) == []
    assert len(other_orders(np.arange(12.0).tolist(), most=5)) == 5


def test_one_tissue_has_no_other_contrast():
    s = subject("a", 2)
    one = replace(s, answers=(s.answers > 0).long())
    alone = Segmentation({"train": [one], "test": [one]}, replace(TINY, steps=1))
    assert alone.metrics == ("dice", "dice_1")
    assert set(alone.score(alone.learn(alone.draw(1, 0), classical=False, seed=0))) == {
        "dice",
        "dice_1",
    }


def test_labels_that_nobody_can_learn_are_refused():
    a, b = subject("a", 2), subject("b", 2)
    with pytest.raises(UsageError, match="nobody to train on has: 4, 5;"):
        Segmentation({"train": [a], "test": [replace(b, answers=b.answers + 2)]}, TINY)
    with pytest.raises(UsageError, match="3 labels besides 0, and 2 names"):
        Segmentation({"train": [a], "test": [b]}, TINY, names=["grey", "white"])
    people = Segmentation({"train": [a], "test": [b]}, TINY)
    with pytest.raises(UsageError, match="1 to train on; got 2"):
        people.draw(2, 0)


def test_labels_with_gaps_score_as_without(task):
    """Labels keep their numbers as names; those that do not occur count for nothing."""
    sides = {"train": task.pool, "test": task.tests}
    gaps = torch.tensor([0, 2, 7, 20])
    apart = {k: [replace(s, answers=gaps[s.answers]) for s in v] for k, v in sides.items()}
    other = Segmentation(apart, TINY)
    assert other.tissues == ("2", "7", "20")
    assert torch.equal(other.tests[0].answers, task.tests[0].answers)
    few = [replace(s, answers=torch.where(s.answers == 7, 20, s.answers)) for s in apart["test"]]
    fewer = Segmentation({**apart, "test": few}, replace(TINY, steps=1))
    scores = fewer.score(fewer.learn(fewer.draw(1, 0), classical=False, seed=0))
    assert fewer.tissues == ("2", "20")
    assert scores["dice"] == pytest.approx((scores["dice_2"] + scores["dice_20"]) / 2)


def test_settings_tell_images_labels_and_spacing(task):
    s = task.pool[0]
    flipped = replace(s, answers=s.answers.flip(1))
    brighter = replace(s, images=s.images * 0.9)
    every = [
        Segmentation({"train": [x], "test": task.tests}, TINY).settings["sha256"]
        for x in (s, flipped, brighter, replace(s))
    ]
    assert every[0] == every[3]
    assert len({each["train"] for each in every}) == 3
    assert len({each["test"] for each in every}) == 1


def test_most_likely_labels_have_the_size_of_the_image(task):
    model = replanned(task, steps=1).learn(task.draw(1, 0), classical=False, seed=0)
    assert segmented(model, torch.rand(19, 1, 32, 48)).shape == (19, 32, 48)


COLUMNS = ("path", "labels", "patient", "split")


def write(folder: Path, name: str, affine: np.ndarray, *, side: str) -> dict[str, str]:
    """Write a scan and its labels on a grid; return its line of the table."""
    s = subject(name, 12)
    image = (1000 * s.images[:, 0]).permute(1, 2, 0).numpy().astype(np.int16)
    labels = s.answers.permute(1, 2, 0).numpy().astype(np.uint8)
    for array, kind in ((image, "T1"), (labels, "tissues")):
        nib.save(nib.Nifti1Image(array, affine), folder / f"{name}_{kind}.nii.gz")
    return dict(
        zip(COLUMNS, (f"{name}_T1.nii.gz", f"{name}_tissues.nii.gz", name, side), strict=True)
    )


def tabled(folder: Path, rows: list[dict[str, str]], columns: tuple[str, ...] = COLUMNS) -> Path:
    with (folder / "cases.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return folder / "cases.csv"


@pytest.fixture
def table(tmp_path) -> Path:
    flipped = np.diag([-2.0, 2.0, 7.0, 1.0])
    affines = {"a": np.diag([2.0, 2.0, 7.0, 1.0]), "b": flipped, "x": np.diag([2.0, 2.0, 7.0, 1.0])}
    rows = [write(tmp_path, n, affines[n], side="test" if n == "x" else "train") for n in "abx"]
    return tabled(tmp_path, rows)


def test_subjects_of_any_orientation_lie_alike(table):
    found = read_subjects(read_table(table), spacing=2.0)
    assert [s.patient for s in found["train"]] == ["a", "b"]
    sizes = {s.images.shape[2:] for side in found.values() for s in side}
    assert len(sizes) == 1
    assert all(n % 16 == 0 for n in sizes.pop())
    turned, there = found["train"][1], subject("b", 12)
    voxels = float((turned.answers > 0).sum())
    assert voxels == pytest.approx(float((there.answers > 0).sum()), rel=0.02)
    means = [float(turned.images[:, 0][turned.answers == n].mean()) for n in (1, 2, 3)]
    assert means == sorted(means)
    assert turned.spacing == 2.0


def test_label_maps_elsewhere_are_refused(table, tmp_path):
    labels = nib.load(tmp_path / "b_tissues.nii.gz")
    for by, words in (((400, 0, 0), " 0 % of what"), ((0, 90, 0), "it takes 50 %")):
        affine = labels.affine.copy()
        affine[:3, 3] += by
        nib.save(nib.Nifti1Image(np.asarray(labels.dataobj), affine), tmp_path / "b_tissues.nii.gz")
        with pytest.raises(MalformedInput, match=f"b_tissues.*{words}"):
            read_subjects(read_table(table), spacing=2.0)
    empty = np.zeros(labels.shape, np.uint8)
    empty[0, 0, 0] = 1  # one voxel of 2 mm: between those of 8 mm
    nib.save(nib.Nifti1Image(empty, labels.affine), tmp_path / "b_tissues.nii.gz")
    with pytest.raises(MalformedInput, match="no label is left"):
        read_subjects(read_table(table), spacing=8.0)


def test_the_command(table, tmp_path, capsys):
    out = tmp_path / "out"
    words = f"utility segment --cases {table} -o {out} --seeds 1 --amounts 1 --segmenter-steps 1"
    assert main([*words.split(), "--generated", "8", "--spacing", "4"]) == 0
    said = capsys.readouterr()
    assert "resampled once" in said.err
    assert "dice_other" in said.out
    assert (out / "report.json").exists()


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (lambda rows, f: tabled(f, rows, COLUMNS[:3]), 2, "missing: split"),
        (lambda rows, f: tabled(f, [{**r, "split": "train"} for r in rows]), 2, "split is test"),
        (lambda rows, f: tabled(f, [{**r, "split": "valid"} for r in rows]), 2, "split must"),
        (lambda rows, f: tabled(f, [{**r, "patient": "p"} for r in rows]), 2, "one side"),
        (lambda rows, f: tabled(f, [{**r, "labels": "no.nii.gz"} for r in rows]), 7, "not there"),
        (lambda rows, f: tabled(f, [{**r, "labels": r["path"]} for r in rows]), 2, "merge"),
        (lambda rows, f: (f / "cases.csv").unlink(), 7, "cases.csv"),
    ],
)  # fmt: skip
def test_wrong_tables_are_named_in_one_line(table, tmp_path, capsys, spoil, code, words):
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    spoil(rows, tmp_path)
    assert main(["utility", "segment", "--cases", str(table), "-o", str(tmp_path / "out")]) == code
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert words in said[0]
    assert not (tmp_path / "out").exists()
