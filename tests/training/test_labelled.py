"""Labelled pictures: read whole, scaled once, drawn with every class as often.

- MedMNIST files and folders of pictures give the same images; black is 0, white is 1. White of
  more than 8 bits is the largest number of as many bits as the brightest picture of the set takes.
- Batch n depends on n alone; rare classes come as often as others; what is moved keeps its rim.
- What is no such set is refused in one line.
"""

import numpy as np
import pytest
import torch
from PIL import Image

from medacuity.errors import MalformedInput, StorageError, UsageError
from medacuity.training.cases import split_by_name
from medacuity.training.labelled import find_labelled, make_labelled
from medacuity.training.pairs import Labelled
from medacuity.training.prepare import prepare
from medacuity.training.recipes import RECIPES

CLASSES = ("normal", "pneumonia")


def pictures(count: int, seed: int = 0) -> np.ndarray:
    """Return small pictures of noise, as bytes."""
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


@pytest.fixture
def medmnist(tmp_path):
    """Write a MedMNIST file in which one of ten is normal."""
    labels = (np.arange(40) % 10 > 0).astype(np.uint8)[:, None]
    arrays = {f"{s}_images": pictures(40, n) for n, s in enumerate(("train", "val", "test"))}
    arrays |= {f"{s}_labels": labels for s in ("train", "val", "test")}
    np.savez(tmp_path / "set.npz", **arrays)
    return tmp_path


def test_a_medmnist_file_has_both_sides_and_never_the_test_pictures(medmnist):
    cases = find_labelled(medmnist, CLASSES)
    assert [case.split for case in cases] == ["train", "validate"]
    for n, case in enumerate(cases):
        x, labels = make_labelled(case, classes=CLASSES, size=28)
        assert torch.equal(
            (x * 255).round().to(torch.uint8)[:, 0], torch.from_numpy(pictures(40, n))
        )
        assert labels[:, 0].tolist() == [float(k % 10 > 0) for k in range(40)]


def test_folders_of_pictures(tmp_path):
    for label, name in enumerate(CLASSES):
        (tmp_path / name).mkdir()
        for n, array in enumerate(pictures(30, label)):
            Image.fromarray(array).save(tmp_path / name / f"{name}{n}.png")
    sides = {
        c.split: make_labelled(c, classes=CLASSES, size=32)
        for c in find_labelled(tmp_path, CLASSES)
    }
    assert sum(len(x) for x, _ in sides.values()) == 60
    x, labels = sides["train"]
    assert x.shape[1:] == (1, 32, 32)
    assert set(labels[:, 0].tolist()) == {0.0, 1.0}
    assert 0 <= float(x.min()) < 0.1
    assert 0.9 < float(x.max()) <= 1


def test_a_picture_in_a_folder_stands_upright(tmp_path):
    for name in CLASSES:
        (tmp_path / name).mkdir()
    for n in range(20):
        Image.fromarray(pictures(1)[0]).save(tmp_path / CLASSES[0] / f"{n}.png")
    x, _ = make_labelled(find_labelled(tmp_path, CLASSES)[0], classes=CLASSES, size=28)
    assert torch.equal((x[0, 0] * 255).round().to(torch.uint8), torch.from_numpy(pictures(1)[0]))


def shades(folder, top, dtype, suffix):
    """Write twenty pictures of each class, ramps that end at less and less, the first at top."""
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for n in range(20):
            ramp = np.linspace(0, top / (1 + n * (name == CLASSES[1])), 28 * 28).reshape(28, 28)
            Image.fromarray(ramp.astype(dtype)).save(folder / name / f"{n}{suffix}")
    return find_labelled(folder, CLASSES)


@pytest.mark.parametrize(("top", "white"), [(4001, 4095), (4095, 4095), (65535, 65535), (200, 255)])
def test_white_of_more_than_8_bits_is_that_of_the_brightest_picture(tmp_path, top, white):
    """A radiograph of 12 bits in a file of 16 is not next to black."""
    for case in shades(tmp_path, top, np.uint16, ".png"):
        x, labels = make_labelled(case, classes=CLASSES, size=28)
        assert float(x[labels[:, 0] == 0].max()) == pytest.approx(top / white, rel=1e-5)


def test_pictures_to_train_on_and_to_watch_by_have_one_white(tmp_path):
    cases = shades(tmp_path / "set", 4001, np.uint16, ".png")
    both = [make_labelled(case, classes=CLASSES, size=28)[0] for case in cases]
    for name in CLASSES:  # only those to watch by stay as bright
        for path in (tmp_path / "set" / name).iterdir():
            if split_by_name(path.stem) == "train":
                half = np.array(Image.open(path)) // 16
                Image.fromarray(half.astype(np.uint16)).save(path)
    again = [make_labelled(case, classes=CLASSES, size=28)[0] for case in cases]
    assert torch.equal(again[1], both[1])
    assert torch.allclose(again[0], both[0] / 16, atol=1 / 4095)


def test_fractions_and_bytes_are_white_at_one(tmp_path):
    for name, top, dtype, suffix in (("f", 1.0, np.float32, ".tif"), ("b", 255, np.uint8, ".png")):
        x, _ = make_labelled(shades(tmp_path / name, top, dtype, suffix)[0],
                             classes=CLASSES, size=28)  # fmt: skip
        assert float(x.max()) == pytest.approx(1, abs=1e-6)


def test_rare_classes_come_as_often(medmnist, tmp_path):
    prepare(RECIPES["cgan-pneumonia"], find_labelled(medmnist, CLASSES), tmp_path / "arrays")
    batches = Labelled(tmp_path / "arrays", "train", seed=0, shift=2)
    share = float(torch.cat([batches.batch(n, 64).label for n in range(20)]).float().mean())
    assert share == pytest.approx(0.5, abs=0.05)
    one, again, other = (batches.batch(n, 8) for n in (3, 3, 4))
    assert torch.equal(one.image, again.image)
    assert not torch.equal(one.image, other.image)
    assert (
        Labelled(tmp_path / "arrays", "train", seed=0, shift=2, labels=False).batch(0, 4).label
        is None
    )


def test_moved_pictures_are_the_same_pictures(medmnist, tmp_path):
    prepare(RECIPES["cgan-pneumonia"], find_labelled(medmnist, CLASSES), tmp_path / "arrays")
    still = Labelled(tmp_path / "arrays", "train", seed=0, shift=0)
    moving = Labelled(tmp_path / "arrays", "train", seed=0, shift=2)
    inside = {row.tobytes() for row in still.images[:, 0, 8:24, 8:24].reshape(40, -1)}
    for image in moving.batch(0, 20).image.numpy().astype(np.float16)[:, 0]:
        cuts = (image[a : a + 16, b : b + 16] for a in range(4, 13) for b in range(4, 13))
        assert any(np.ascontiguousarray(cut).tobytes() in inside for cut in cuts)


def test_what_is_no_such_set_is_refused(tmp_path):
    with pytest.raises(StorageError):
        find_labelled(tmp_path / "none", CLASSES)
    with pytest.raises(UsageError, match=r"found 0 \.npz files"):
        find_labelled(tmp_path, CLASSES)
    np.savez(tmp_path / "set.npz", other=np.zeros(3))
    case = find_labelled(tmp_path, CLASSES)[0]
    with pytest.raises(MalformedInput, match="not a MedMNIST file"):
        make_labelled(case, classes=CLASSES, size=32)
    np.savez(tmp_path / "set.npz", train_images=pictures(3), train_labels=np.array([0, 1, 2]))
    with pytest.raises(MalformedInput, match="labels go up to 2"):
        make_labelled(case, classes=CLASSES, size=32)
    np.savez(
        tmp_path / "set.npz", train_images=np.zeros((3, 28, 28)), train_labels=np.zeros(3, int)
    )
    with pytest.raises(MalformedInput, match="must be 8-bit"):
        make_labelled(case, classes=CLASSES, size=32)
