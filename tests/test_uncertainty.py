"""How far off a made-up image may be comes beside it, in its unit, and in its place.

- The map is the card's number of expected errors times what the network expects, air being 0.
- It lies where the image lies; a file of several volumes has one for each; a card without an
  interval has none, and a network with a second output but no interval is refused.
- 2D networks that take slices beside a slice get those that training showed, at its distance.
- Of several shipped networks the one that knows its error is taken.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medacuity import formats
from medacuity import synthesize as module
from medacuity.card import Card, parse
from medacuity.checkpoint import Images, rule_as_json, save_weights
from medacuity.cli import main
from medacuity.errors import UsageError
from medacuity.formats import Source
from medacuity.intensity import Fixed
from medacuity.models import TRANSLATORS
from medacuity.synthesize import Settings, beside, chosen, synthesize, synthesize_source
from medacuity.synthesize_findings import in_words
from medacuity.training.contrasts import beside as trained_beside
from medacuity.viewpoint import slabs
from medacuity.volume import Volume
from test_viewpoint import ORDERS, stored
from translator_makers import T1_T2, plain, plain_network

__all__ = ["plain_network"]
PET = {
    "output": Images("PET", "SUV"), "output_intensity": rule_as_json(Fixed(0.0, 10.0)),
    "interval": 2.0, "arguments": {"dims": 2, "outputs": 2},
}  # fmt: skip


class Unsure(nn.Module):
    """Half of what it is given, expecting to be off by a tenth of that."""

    halo: int | None = None
    multiple = 1

    def __init__(self, *, dims: int, outputs: int = 2, channels: int = 1) -> None:
        super().__init__()
        self.dims, self.scale, self.channels = dims, (1,) * dims, channels
        self.gain = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Return the image, and the logarithm of the error it expects."""
        y = self.gain * x.mean(1, keepdim=True)
        return torch.cat([y, torch.log(0.1 * y.abs() + 1e-3)], 1)


@pytest.fixture(autouse=True)
def _unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRANSLATORS, "Unsure", Unsure)


def weights(folder: Path, **changes: object) -> str:
    """Write an `Unsure` network."""
    card = replace(T1_T2, **{**PET, "network": "Unsure", "name": "unsure", **changes})
    card = replace(card, intensity=rule_as_json(Fixed(0.0, 1.0)))
    path = folder / f"{card.name}.safetensors"
    save_weights(path, Unsure(**card.arguments), card, half=False)
    return str(path)


def head(shape=(21, 18, 9), spacing=(1.0, 1.0, 3.0)) -> Volume:
    """Return a lopsided blob of values from 0 to 1, air around it."""
    affine = np.diag([*spacing, 1.0])
    at = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    blob = np.exp(-3 * ((at[0] - 0.2) ** 2 + 2 * at[1] ** 2 + (at[2] + 0.3) ** 2))
    return Volume(blob.astype(np.float32), affine)


def test_the_map_is_the_expected_error_in_suv(tmp_path):
    scan = head()
    done = synthesize(scan, Settings(weights=weights(tmp_path)))
    half = done.uncertainty
    assert (done.volume.unit, half.unit) == ("SUV", "SUV")
    np.testing.assert_array_equal(half.affine, scan.affine)
    shown = np.s_[:, :, :7]  # the rest is air
    np.testing.assert_allclose(done.volume.array[shown], 5 * scan.array[shown], atol=1e-3)
    np.testing.assert_allclose(half.array[shown], scan.array[shown] + 0.02, rtol=1e-3)
    assert done.findings["interval"]["times_expected_error"] == 2.0
    assert "lesion" in " ".join(in_words(done.findings))


def test_air_is_certain_and_the_map_lies_where_the_image_lies(tmp_path):
    scan = Volume(np.pad(head().array, [(30, 0), (0, 0), (0, 0)]), head().affine)
    file = weights(tmp_path)
    done = synthesize(scan, Settings(weights=file))
    assert (done.uncertainty.array[:20] == 0).all()
    for codes in ORDERS[2::16]:
        other = synthesize(stored(scan, codes), Settings(weights=file)).uncertainty
        np.testing.assert_allclose(
            other.array, stored(done.uncertainty, codes).array, atol=1e-6
        )  # fmt: skip


def test_volumes_have_one_each_in_2d_and_3d(tmp_path):
    frames = (head(), Volume(0.5 * head().array, head().affine))
    source = Source(tmp_path / "in.nii", frames, None, "")
    for dims in (2, 3):
        file = weights(tmp_path, arguments={"dims": dims, "outputs": 2}, name=f"unsure{dims}")
        volumes, spread, _ = synthesize_source(source, Settings(weights=file))
        assert len(volumes) == len(spread) == 2
        shown = np.s_[:, :, :6]
        wanted = 0.5 * frames[0].array[shown] + 0.02
        np.testing.assert_allclose(spread[1].array[shown], wanted, atol=0.01)


def test_a_volume_network_in_windows_knows_its_error_too(tmp_path):
    file = weights(tmp_path, arguments={"dims": 3, "outputs": 2}, patch=[8, 8, 8])
    done = synthesize(head(), Settings(weights=file))
    np.testing.assert_allclose(done.uncertainty.array, head().array + 0.02, atol=0.02)


def test_without_an_interval_there_is_none_or_no_result(tmp_path, plain_network):
    assert synthesize(head(), Settings(weights=str(plain(tmp_path)))).uncertainty is None
    with pytest.raises(UsageError, match="several images"):
        synthesize(head(), Settings(weights=weights(tmp_path, interval=0.0)))
    with pytest.raises(UsageError, match="several images"):
        synthesize(head(), Settings(weights=weights(
            tmp_path, arguments={"dims": 3, "outputs": 2, "channels": 5})))  # fmt: skip


@pytest.mark.parametrize("interval", [-1.0, "2", float("inf"), True])
def test_an_interval_is_a_number(interval):
    card = asdict(replace(T1_T2, interval=interval))
    with pytest.raises((TypeError, ValueError)):
        parse(json.dumps(card))


def test_slabs_are_those_of_training():
    slices = np.random.default_rng(0).random((7, 1, 4, 5), np.float32)
    card = Card("slab", "FineUNet", {"dims": 2, "channels": 5}, {}, spacing=[2.0, 2.0])
    wanted = trained_beside(torch.from_numpy(slices), 2).numpy()
    np.testing.assert_allclose(slabs(slices, card, 2.0), wanted)
    np.testing.assert_allclose(slabs(slices, card, 5.0), wanted)  # thick ones: their own distance
    fine = slabs(slices, card, 1.0)
    np.testing.assert_allclose(fine[3, 1, :, :], slices[1, 0])
    np.testing.assert_allclose(fine[3, 4, :, :], slices[6, 0])  # the last stands for those beyond
    between = slabs(slices, replace(card, spacing=[1.5, 1.5]), 1.0)
    np.testing.assert_allclose(between[3, 3], (slices[4, 0] + slices[5, 0]) / 2, rtol=1e-5)
    assert slabs(slices, replace(card, arguments={"dims": 2}), 2.0) is slices


def test_a_slab_network_sees_its_neighbours(tmp_path):
    scan = head()
    file = weights(tmp_path, arguments={"dims": 2, "outputs": 2, "channels": 3})
    made = synthesize(scan, Settings(weights=file)).volume.array
    mean = (scan.array[:, :, 2] + scan.array[:, :, 3] + scan.array[:, :, 4]) / 3
    np.testing.assert_allclose(made[:, :, 3], 5 * mean, atol=1e-3)


def test_the_one_that_knows_its_error_is_taken(monkeypatch):
    cards = {
        "sharp": replace(T1_T2, name="sharp", output=Images("PET"), measured={"ssim": 0.99}),
        "sure": replace(T1_T2, name="sure", output=Images("PET"), interval=2.0),
    }
    monkeypatch.setattr(module, "shipped", lambda: {name: Path(name) for name in cards})
    monkeypatch.setattr(module, "read_card", lambda path: cards[path.name])
    assert chosen(Settings(to="pet")).name == "sure"


def test_a_slice_is_given_to_a_network_for_slices_where_there_is_one(monkeypatch):
    volumes = {**T1_T2.arguments, "dims": 3}
    cards = {
        "slices": replace(T1_T2, name="slices"),
        "volumes": replace(T1_T2, name="volumes", arguments=volumes, interval=2.0),
    }
    monkeypatch.setattr(module, "shipped", lambda: {name: Path(name) for name in cards})
    monkeypatch.setattr(module, "read_card", lambda path: cards[path.name])
    assert chosen(Settings(to="t2")).name == "volumes"
    assert chosen(Settings(to="t2"), flat=True).name == "slices"
    del cards["slices"]
    assert chosen(Settings(to="t2"), flat=True).name == "volumes"  # which says why it cannot


def test_the_command_writes_it_beside_and_says_what_it_is(tmp_path):
    scan = head()
    formats.write(tmp_path / "t1.nii.gz", [scan], like=Source(tmp_path / "x", (scan,), None, ""))
    code = main(["synthesize", str(tmp_path / "t1.nii.gz"), "-o", str(tmp_path / "pet.nii.gz"),
                 "--model", weights(tmp_path)])  # fmt: skip
    assert code == 0
    half = formats.read(tmp_path / "pet_uncertainty.nii.gz")
    assert half.synthetic
    assert half.volumes[0].array.max() == pytest.approx(1.0, abs=0.1)
    told = json.loads((tmp_path / "pet_uncertainty.json").read_text())
    assert told["label"] == "SYNTHETIC PET uncertainty"
    assert told["unit"] == "SUV"


def test_it_is_written_beside_the_result():
    assert beside(Path("a/b.pet.nii.gz")) == Path("a/b.pet_uncertainty.nii.gz")
    assert beside(Path("pet.nrrd")) == Path("pet_uncertainty.nrrd")
