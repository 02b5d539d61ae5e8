"""Classification: its data, its parts and its figures.

- Both kinds of sets are read; patients stay on one side, and what is drawn is a share of each
  class, the same for the same seed. What is generated depends on the drawn pictures alone.
- Every class, and real and generated, come equally often in a batch, however rare.
- The classifier learns; balanced accuracy and AUC are those of scikit-learn's definitions.
- Generators that saw more than what is drawn are refused for scarce data.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from labelled_makers import pictures, write_folders, write_medmnist
from medacuity.errors import MalformedInput, StorageError, UsageError
from medacuity.utility.augment import classical
from medacuity.utility.classifier import Drawn, auc, balanced_accuracy
from medacuity.utility.classify import Classification, Settings, check_amounts
from medacuity.utility.generators import conditional_gan, lent_variation, of_weights
from medacuity.utility.labelled import read_classes, read_labelled
from medacuity.utility.task import Examples, joined

QUICK = Settings(steps=40, batch=16, each=12, generator="lent", size=16)


@pytest.fixture
def task(tmp_path: Path) -> Classification:
    return Classification(read_labelled(write_medmnist(tmp_path / "set.npz"), 16), QUICK)


def test_medmnist_and_folders_are_read(tmp_path: Path) -> None:
    found = read_labelled(write_medmnist(tmp_path / "pneumoniamnist_x.npz"), 28)
    assert found.classes == ("normal", "pneumonia")
    assert (len(found.train), len(found.test)) == (48, 40)
    assert torch.equal((found.test.images[20:, 0] * 255).round().byte(),
                       torch.from_numpy(pictures(20, True, 21)))  # fmt: skip
    folders = read_labelled(write_folders(tmp_path / "folders"), 28)
    assert folders.classes == ("clear", "square")
    assert len(folders.train) + len(folders.test) == 48
    assert not set(folders.train.patients) & set(folders.test.patients)
    assert torch.bincount(folders.test.answers).tolist() == [6, 6]


def test_pictures_of_a_patient_stay_together(tmp_path: Path) -> None:
    write_folders(tmp_path / "set")
    for name in ("clear", "square"):
        for path in (tmp_path / "set" / name).glob("*.png"):
            owner = path.parent / f"{name}-{int(path.stem) % 8}"
            owner.mkdir(exist_ok=True)
            path.rename(owner / path.name)
    found = read_labelled(tmp_path / "set", 8)
    assert not set(found.train.patients) & set(found.test.patients)
    assert len(set(found.train.patients) | set(found.test.patients)) == 16
    few = Classification(found, QUICK).draw(0.5, 0)
    assert all(list(few.patients).count(name) == 3 for name in few.patients)


def test_seven_pictures_of_a_class_are_enough_and_so_are_four(tmp_path: Path) -> None:
    for count, kept in ((7, 2), (4, 2), (12, 3)):
        found = read_labelled(write_folders(tmp_path / str(count), count=count), 8)
        assert torch.bincount(found.test.answers).tolist() == [kept, kept]
        assert torch.bincount(found.train.answers).tolist() == [count - kept] * 2
    with pytest.raises(MalformedInput, match="to test on, clear has 1; without"):
        read_labelled(write_folders(tmp_path / "few", count=3), 8)


def test_hidden_folders_and_files_are_no_pictures(tmp_path: Path) -> None:
    plain = read_labelled(write_folders(tmp_path / "set"), 8)
    for name in (".ipynb_checkpoints", "__MACOSX", "clear/.thumbs"):
        (tmp_path / "set" / name).mkdir()
        (tmp_path / "set" / name / "0.png").write_bytes(b"no picture")
    (tmp_path / "set" / "square" / "._0.png").write_bytes(b"no picture")
    found = read_labelled(tmp_path / "set", 8)
    assert found.classes == ("clear", "square")
    assert torch.equal(found.train.images, plain.train.images)


def rewritten(folder: Path, factor: int) -> Path:
    """Return a folder whose PNG files have become 16 bits, their values times a factor."""
    for path in folder.rglob("*.png"):
        with Image.open(path) as picture:
            wide = np.asarray(picture).astype(np.uint16) * factor
        Image.fromarray(wide).save(path)
    return folder


def test_radiographs_of_12_bits_are_as_bright_as_those_of_8(tmp_path: Path) -> None:
    """One factor for a set: pictures keep their brightness to each other, up to 4095 and 255."""
    plain = read_labelled(write_folders(tmp_path / "set"), 16)
    made = read_classes(write_folders(tmp_path / "made"), 16, plain.classes)
    wide = read_labelled(rewritten(tmp_path / "set", 16), 16)
    assert (plain.white, wide.white) == (0, 4095)
    ratio = (16 / 4095) / (1 / 255)
    assert torch.allclose(wide.train.images, plain.train.images * ratio, atol=1e-5)
    assert torch.equal(
        read_classes(tmp_path / "made", 16, plain.classes, white=wide.white).images, made.images
    )
    own = read_classes(rewritten(tmp_path / "made", 8), 16, plain.classes, white=wide.white)
    assert torch.allclose(own.images, made.images * ratio / 2, atol=1e-5)
    assert read_classes(tmp_path / "made", 16, plain.classes).images.max() > 0.7
    with pytest.raises(MalformedInput, match="where white is 4095"):
        read_classes(rewritten(tmp_path / "made", 16), 16, plain.classes, white=wide.white)


def test_given_sides_are_kept_and_must_not_share_patients(tmp_path: Path) -> None:
    for side, seed in (("train", 0), ("test", 5)):
        write_folders(tmp_path / side, count=4, seed=seed)
        for path in (tmp_path / side).rglob("*.png"):
            path.rename(path.with_name(f"{side}{path.name}"))
    assert len(read_labelled(tmp_path, 8).test) == 8
    for side in ("train", "test"):
        first = next((tmp_path / side / "clear").iterdir())
        first.rename(first.with_name("same.png"))
    with pytest.raises(MalformedInput, match="clear/same is there to train and to test"):
        read_labelled(tmp_path, 8)


def test_a_draw_is_a_share_of_each_class(task: Classification) -> None:
    drawn = task.draw(0.5, 3)
    assert torch.bincount(drawn.answers).tolist() == [4, 20]
    assert torch.equal(drawn.images, task.draw(0.5, 3).images)
    assert drawn.patients != task.draw(0.5, 4).patients
    assert torch.bincount(task.draw(0.01, 0).answers).tolist() == [2, 2]
    assert len(task.draw(1.0, 0)) == 48
    assert "(4 class 0, 20 class 1)" in task.described(0.5)
    with pytest.raises(UsageError, match="shares"):
        task.draw(2.0, 0)


@pytest.mark.parametrize("how", ["flow", "gan", "lent"])
def test_what_is_generated_depends_on_the_drawn_pictures_alone(
    how: str, task: Classification
) -> None:
    other = Classification(task.data, Settings(generator=how, generator_steps=2, each=5, size=16))
    drawn = other.draw(0.25, 0)
    # All that was not drawn is now another picture; nothing that is generated may notice.
    left_out = [name not in drawn.patients for name in task.data.train.patients]
    made = other.generate(drawn, 7)
    other.data.train.images[torch.tensor(left_out)] = 0.123
    again = other.generate(drawn, 7)
    assert torch.equal(made.images, again.images)
    assert torch.bincount(made.answers).tolist() == [5, 5]
    assert bool(made.generated.all())
    assert 0 <= float(made.images.min()) <= float(made.images.max()) <= 1
    assert not torch.equal(made.images, other.generate(drawn, 8).images)


def test_lent_variation_by_hand() -> None:
    """Two patients a class, flat pictures: what is added is a share of one of two differences."""
    values = torch.tensor([0.40, 0.44, 0.60, 0.70])
    images = values.reshape(4, 1, 1, 1).expand(4, 1, 4, 4)
    real = Examples(images, torch.tensor([0, 0, 1, 1]), ("a", "b", "c", "d"))
    made = lent_variation(real, 200, 0, most=0.5)
    flat = made.images[:, 0, 0, 0]
    assert torch.allclose(made.images.amax((1, 2, 3)), made.images.amin((1, 2, 3)))
    for kind, (low, high) in {0: (0.40, 0.44), 1: (0.60, 0.70)}.items():
        own = flat[made.answers == kind]
        assert float(own.min()) >= low - 0.05 - 1e-6
        assert float(own.max()) <= high + 0.05 + 1e-6
        assert float(own.max() - own.min()) > high - low  # more than either class varies


def test_every_kind_comes_as_often(task: Classification) -> None:
    real = task.draw(1.0, 0)
    both = joined([real, task.generate(real, 0)])
    batches = Drawn(both, balanced=True, classical=False, size=64, seed=0)
    keys = {x.numpy().tobytes(): bool(g) for x, g in zip(both.images, both.generated, strict=True)}
    batch = batches.batch(3)
    assert torch.bincount(batch.target).tolist() == [32, 32]
    assert sum(keys[x.numpy().tobytes()] for x in batch.input) == 32
    assert torch.equal(batch.input, batches.batch(3).input)
    assert not torch.equal(batch.input, batches.batch(4).input)
    as_is = Drawn(real, balanced=False, classical=False, size=480, seed=0).batch(0)
    assert float((as_is.target == 0).float().mean()) == pytest.approx(8 / 48, abs=0.06)


def test_classical_augmentation_changes_pictures_and_keeps_the_range() -> None:
    x = torch.from_numpy(pictures(6, True, 0) / 255).float()[:, None]
    first, again, other = (classical(x, torch.Generator().manual_seed(n)) for n in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert 0 <= float(first.min()) <= float(first.max()) <= 1
    # The square is still in the middle: moved by less than a quarter.
    assert float(first[..., 12:16, 12:16].mean()) > float(first[..., :4, :4].mean()) + 0.15


def test_the_classifier_learns_and_says_the_same_again(task: Classification) -> None:
    drawn = task.draw(1.0, 0)
    first, again = (task.learn(drawn, classical=True, seed=0) for _ in range(2))
    scores = task.score(first)
    assert scores["balanced accuracy"] > 0.9
    assert scores["AUC"] > 0.95
    assert task.score(again) == scores


def test_balanced_accuracy_and_auc_by_definition() -> None:
    rng = np.random.default_rng(0)
    assert auc(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0])) == 0.5  # ties count half
    answers = torch.from_numpy(rng.integers(0, 3, 200))
    scores = torch.from_numpy(rng.normal(size=(200, 3)))
    recall = [np.mean(scores.argmax(1).numpy()[answers == k] == k) for k in range(3)]
    assert balanced_accuracy(scores, answers) == pytest.approx(np.mean(recall), abs=1e-12)
    likely = scores.softmax(1).numpy()
    areas = []
    for k in range(3):
        own, rest = likely[answers == k, k], likely[answers != k, k]
        areas.append(stats.mannwhitneyu(own, rest).statistic / (own.size * rest.size))
    assert auc(scores, answers) == pytest.approx(np.mean(areas), abs=1e-9)


def test_weights_that_saw_everything_serve_no_scarce_data(task: Classification) -> None:
    shipped = Settings(generator="cgan-pneumonia", size=16)
    with pytest.raises(UsageError, match="scarce"):
        check_amounts(shipped, (0.1, 1.0))
    check_amounts(shipped, (1.0,))
    check_amounts(QUICK, (0.1,))
    made = of_weights(task.draw(1.0, 0), 3, 0, weights="cgan-pneumonia")
    assert made.images.shape == (6, 1, 16, 16)
    three = Examples(torch.zeros(3, 1, 16, 16), torch.arange(3), ("a", "b", "c"))
    with pytest.raises(UsageError, match="makes 2 classes, the pictures have 3"):
        of_weights(three, 3, 0, weights="cgan-pneumonia")
    with pytest.raises(UsageError, match="mri-2d-x2"):
        of_weights(three, 3, 0, weights="mri-2d-x2")


def test_ready_made_pictures(tmp_path: Path, task: Classification) -> None:
    made = read_classes(write_folders(tmp_path / "made"), 16, ("clear", "square"))
    assert bool(made.generated.all())
    with pytest.raises(StorageError, match="class is missing"):
        read_classes(tmp_path / "made", 16, ("clear", "round"))


def test_real_pictures_stay_real_whatever_their_names(tmp_path: Path) -> None:
    folder = write_folders(tmp_path / "set")
    for name in ("clear", "square"):
        (folder / name).rename(folder / f"generated-{name}")
    found = read_labelled(folder, 8)
    assert not found.train.generated.any()
    assert not found.test.generated.any()
    made = lent_variation(found.train, 3, 0)
    told = joined([found.train, made]).generated
    assert told.tolist() == [False] * len(found.train) + [True] * 6


def test_the_gan_takes_any_number_of_classes() -> None:
    real = Examples(torch.rand(6, 1, 16, 16), torch.arange(6) % 3, tuple("abcdef"))
    assert conditional_gan(real, 2, 0, steps=1).images.shape == (6, 1, 16, 16)


def test_what_is_no_labelled_set(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        read_labelled(tmp_path / "none", 8)
    with pytest.raises(UsageError, match="holds 0 folders"):
        read_labelled(tmp_path, 8)
    write_folders(tmp_path / "few", count=1)
    with pytest.raises(MalformedInput, match="takes 2 pictures to train on, clear has 0"):
        read_labelled(tmp_path / "few", 8)
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(MalformedInput, match="MedMNIST"):
        read_labelled(tmp_path / "text.npz", 8)
