"""Images of no patient: each told by its seed, all of them marked, none of them in the way.

- An image depends on its seed, its class and the weights, and on nothing else: not on how many
  there are, in which order, on which folder.
- Classes are asked for by name; without one they come in turn.
- Pictures are 8 or 16 bits as the card's numbers need, upright; volumes keep the card's numbers,
  spacing and directions, and claim no place in a scanner.
- Names, headers and samples.json say SYNTHETIC; samples.json tells what each was made of.
- What cannot be made is refused before anything is written, and nothing half-made is left.
"""

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from medacuity import formats
from medacuity.checkpoint import Card, Images, file_sha256, load_weights, rule_as_json, save_weights
from medacuity.errors import LimitExceeded, SafetyGate, StorageError, UsageError
from medacuity.generate import Settings, generate, generate_folder, in_words
from medacuity.intensity import Fixed
from medacuity.models import DCGANGenerator
from medacuity.sheet import contact_sheet, looked_at

CARD = Card(
    name="cgan", network="DCGANGenerator",
    arguments={"dims": 2, "size": 16, "width": 4, "latent": 5, "classes": 2},
    intensity=rule_as_json(Fixed(0.0, 255.0)), output=Images("chest X-ray"),
    classes=["normal", "pneumonia"], licence="CC0",
)  # fmt: skip


@pytest.fixture
def weights(tmp_path):
    """Return a function that writes a generator with visible images, by what is on its card."""

    def write(**changes):
        card = replace(CARD, **changes)
        torch.manual_seed(0)
        model = DCGANGenerator(**card.arguments)
        for name, weight in model.named_parameters():
            weight.data.mul_(1 if "project" in name else 3)
        model.body[-1].body[-1].bias.data.fill_(0.5) if hasattr(model.body[-1], "body") else None
        path = tmp_path / f"{card.name}.safetensors"
        save_weights(path, model, card)
        return str(path)

    return write


def by_file(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("SYNTHETIC*")}


def test_an_image_depends_on_its_seed_alone(tmp_path, weights):
    path = weights()
    generate_folder(tmp_path / "four", Settings(path, count=4, seed=2))
    generate_folder(tmp_path / "more", Settings(path, count=9, sheet=True))
    four, more = by_file(tmp_path / "four"), by_file(tmp_path / "more")
    assert len(four) == 4
    assert four.items() <= more.items()
    assert len(set(more.values())) == 9


def test_classes_are_asked_for_or_come_in_turn(tmp_path, weights):
    trained = load_weights(weights())
    kinds = [s.kind for s in generate(Settings("", count=4), trained)]
    assert kinds == ["normal", "pneumonia", "normal", "pneumonia"]
    ill = list(generate(Settings("", count=4, kind="pneumonia"), trained))
    assert {s.kind for s in ill} == {"pneumonia"}
    turn = list(generate(Settings("", count=4), trained))
    np.testing.assert_array_equal(ill[1].x, turn[1].x)
    assert not np.array_equal(ill[0].x, turn[0].x)
    assert ill[0].latent == turn[0].latent


def test_an_image_is_what_the_network_makes_of_its_record(tmp_path, weights):
    path = weights()
    record = generate_folder(tmp_path / "out", Settings(path, count=3))
    model = load_weights(path).model
    for n, told in enumerate(record["images"]):
        with torch.inference_mode():
            x = model(torch.tensor([told["latent"]]), torch.tensor([n % 2]))[0, 0].numpy()
        with Image.open(tmp_path / "out" / told["file"]) as picture:
            np.testing.assert_array_equal(picture, np.rint(255 * np.clip(x, 0, 1)).astype(np.uint8))


def test_the_record_tells_everything(tmp_path, weights):
    path = weights()
    record = generate_folder(tmp_path / "out", Settings(path, count=3, seed=7))
    assert json.loads((tmp_path / "out" / "samples.json").read_text()) == record
    assert record["synthetic"] is True
    assert record["method_sha256"] == file_sha256(tmp_path / "cgan.safetensors")
    assert (record["black"], record["white"], record["licence"]) == (0, 255, "CC0")
    for told in record["images"]:
        assert told["sha256"] == file_sha256(tmp_path / "out" / told["file"])
        assert "SYNTHETIC" in told["file"]
        assert len(told["latent"]) == 5
        assert formats.read(tmp_path / "out" / told["file"]).synthetic
    assert [told["seed"] for told in record["images"]] == [7, 8, 9]
    assert "SYNTHETIC: chest X-ray of no patient" in in_words(record)[0]
    assert "3 images of pneumonia, normal, of the seeds 7 to 9" in in_words(record)[1]


@pytest.mark.parametrize(("high", "mode"), [(1.0, "L"), (255.0, "L"), (4095.0, "I;16")])
def test_pictures_have_the_bits_that_the_numbers_need(tmp_path, weights, high, mode):
    path = weights(intensity=rule_as_json(Fixed(0.0, high)))
    record = generate_folder(tmp_path / "out", Settings(path, count=1, sheet=True))
    with Image.open(tmp_path / "out" / record["images"][0]["file"]) as picture:
        assert (picture.mode, picture.size) == (mode, (16, 16))
        assert len(np.unique(np.asarray(picture))) > 10
    with Image.open(tmp_path / "out" / "sheet.png") as page:
        assert page.mode == "L"


def test_volumes_keep_numbers_spacing_and_directions(tmp_path, weights):
    volume = {"dims": 3, "size": 8, "width": 4, "latent": 5}
    path = weights(
        arguments=volume, classes=[], spacing=[1.0, 2.0, 3.0], orientation="LSA",
        intensity=rule_as_json(Fixed(-1000.0, 1000.0)), output=Images("CT", "HU"),
    )  # fmt: skip
    record = generate_folder(tmp_path / "out", Settings(path, count=2, sheet=True))
    image = nib.load(tmp_path / "out" / record["images"][0]["file"])
    sample = next(generate(Settings("", count=1), load_weights(path)))
    np.testing.assert_allclose(image.get_fdata(), 2000 * sample.x - 1000, rtol=1e-5, atol=1e-2)
    assert nib.aff2axcodes(image.affine) == ("L", "S", "A")
    assert image.header.get_zooms() == (1.0, 2.0, 3.0)
    np.testing.assert_allclose(image.affine @ [3.5, 3.5, 3.5, 1], [0, 0, 0, 1])
    assert int(image.header["sform_code"]) == 2  # aligned to something, and to no scanner
    assert image.header["descrip"].item().startswith(b"SYNTHETIC medacuity")
    assert (tmp_path / "out" / "sheet.png").exists()


def test_a_slice_may_be_a_volume_too(tmp_path, weights):
    record = generate_folder(tmp_path / "out", Settings(weights(), count=1, form="nifti"))
    assert nib.load(tmp_path / "out" / record["images"][0]["file"]).shape == (16, 16, 1)


def test_pictures_stand_upright():
    volume = np.arange(24).reshape(2, 3, 4)  # right, front, head
    axial = looked_at(volume, "RAS")
    np.testing.assert_array_equal(axial, volume[::-1, ::-1, 2].T)
    for x, directions in ((volume[::-1], "LAS"), (volume.transpose(2, 0, 1), "SRA")):
        np.testing.assert_array_equal(looked_at(x, directions), axial)
    np.testing.assert_array_equal(looked_at(axial, "PL"), axial)
    sagittal = looked_at(volume[0], "AS")
    np.testing.assert_array_equal(sagittal, volume[0, ::-1, ::-1].T)


def test_a_sheet_shows_all_and_its_words():
    pictures = [np.full((20, 30), 40 * n, np.uint8) for n in range(1, 6)]
    page = contact_sheet(pictures, ["a"] * 5, title="SYNTHETIC")
    for n in range(1, 6):
        assert np.count_nonzero(page == 40 * n) >= 20 * 30 * 9
    assert page[:14].max() > 200  # the title
    wide = contact_sheet(pictures[:1], [""], title="SYNTHETIC: a title longer than its picture")
    assert wide.shape[1] >= 6 * 40


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"kind": "flu"}, "no class 'flu'; take normal, pneumonia"),
        ({"count": 0}, "count must be 1 to"),
        ({"seed": -1}, "seed must be"),
        ({"form": "jpeg"}, "png or nifti"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(tmp_path, weights, wish, words):
    with pytest.raises(UsageError, match=words):
        generate_folder(tmp_path / "out", Settings(weights(), **wish))
    assert not (tmp_path / "out").exists()


def test_networks_that_generate_nothing_here_are_refused(tmp_path, weights):
    with pytest.raises(UsageError, match="medacuity enhance --model mri-2d-x2"):
        generate_folder(tmp_path / "out", Settings("mri-2d-x2"))
    plain = {"dims": 2, "size": 16, "width": 4, "latent": 5}
    for changes, wish, words in (
        ({}, {"kind": "normal"}, "no class 'normal'; it knows none"),
        ({"dims": 3}, {"form": "png"}, "--as nifti"),
        ({"outputs": 2}, {}, "several images"),
    ):
        path = weights(arguments={**plain, **changes}, classes=[])
        with pytest.raises(UsageError, match=words):
            generate_folder(tmp_path / "out", Settings(path, **wish))
    assert not (tmp_path / "out").exists()


def test_what_does_not_fit_is_refused_before_it_is_built(tmp_path):
    huge = replace(CARD, arguments={"dims": 3, "size": 1024, "width": 1}, classes=[])
    save_weights(tmp_path / "huge.safetensors", DCGANGenerator(dims=3, size=8, width=1), huge)
    with pytest.raises(LimitExceeded, match="MiB"):
        generate_folder(tmp_path / "out", Settings(str(tmp_path / "huge.safetensors")))
    assert not (tmp_path / "out").exists()


def test_nothing_half_made_is_left(tmp_path, weights, monkeypatch):
    path = weights()
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("x")
    with pytest.raises(StorageError, match="not an empty folder"):
        generate_folder(full, Settings(path))
    trained = load_weights(path)
    trained.model.body[0].weight.data.fill_(float("nan"))
    monkeypatch.setattr("medacuity.generate.load_weights", lambda name: trained)
    with pytest.raises(SafetyGate, match="seed 0 is not finite"):
        generate_folder(tmp_path / "out", Settings(path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cgan.safetensors", "full"]
