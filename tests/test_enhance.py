"""A volume in, a better volume in the same place out, whatever tiles, axes and memory.

Networks for photographs see pictures as their papers do, at every factor they serve, and scans
only with a warning. A network that sees the whole image is never cut: it fits, or says no.
"""

import json

import numpy as np
import pytest
import torch

from medacuity import card
from medacuity.checkpoint import Card, Images, save_weights
from medacuity.enhance import Settings, enhance
from medacuity.errors import LimitExceeded, SafetyGate, UsageError
from medacuity.findings import in_words
from medacuity.models import NETWORKS, REDCNN, VDSR, AcuityNet
from medacuity.trust.consistency import SCANNERS
from medacuity.volume import Volume

AFFINE = np.array([[0.0, -0.9, 0, 10], [0.8, 0, 0, -20], [0, 0, 3.0, 5], [0, 0, 0, 1]])


@pytest.fixture
def network(tmp_path):
    """Save a small network with weights drawn by chance; return a function of its scale."""

    def make(*scale):
        torch.manual_seed(0)
        model = AcuityNet(scale=scale, dims=len(scale), width=4, blocks=1)
        torch.nn.init.normal_(model.tail.weight, std=0.05)
        arguments = {"scale": list(scale), "dims": len(scale), "width": 4, "blocks": 1}
        card = Card(f"tiny-{len(scale)}d", "AcuityNet", arguments,
                    {"kind": "percentile", "percent": 99.9})  # fmt: skip
        save_weights(tmp_path / "tiny.safetensors", model, card)
        return str(tmp_path / "tiny.safetensors")

    return make


def scan(shape=(20, 26, 9), dtype=np.float32):
    rng = np.random.default_rng(3)
    return Volume((1000 * rng.random(shape)).astype(dtype), AFFINE)


def test_the_field_of_view_stays(network):
    volume = scan()
    result = enhance(volume, Settings(weights=network(2, 2), scale=[2, 2, 1])).volume
    assert result.shape == (40, 52, 9)
    low, high = np.array([-0.5] * 3 + [1]), np.array([*(n - 0.5 for n in volume.shape), 1])
    far = np.array([*(n - 0.5 for n in result.shape), 1])
    np.testing.assert_allclose(result.affine @ low, volume.affine @ low, atol=1e-12)
    np.testing.assert_allclose(result.affine @ far, volume.affine @ high, atol=1e-12)


@pytest.mark.parametrize("scale", [(2, 2), (2, 2, 2), (1, 1, 3)])
def test_memory_does_not_change_the_result(network, tmp_path, scale):
    volume, weights = scan((40, 36, 24)), network(*scale)
    factor = [*scale, 1][:3]
    whole, tiled = (
        enhance(volume, Settings(weights=weights, scale=factor, memory=memory, folder=tmp_path))
        for memory in (2**32, 2**23)
    )
    span = float(np.ptp(whole.volume.array))
    assert np.abs(whole.volume.array - tiled.volume.array).max() <= 1e-6 * span
    assert [p.name for p in tmp_path.iterdir()] == ["tiny.safetensors"]


def test_too_little_memory_is_said(network):
    with pytest.raises(LimitExceeded):
        enhance(scan((64, 64, 9)), Settings(weights=network(2, 2), scale=[2, 2, 1], memory=1000))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
def test_turned_scans_give_turned_results(network, order):
    volume, weights = scan((20, 24, 8)), network(1, 1, 2)
    upright = enhance(volume, Settings(weights=weights, scale=[1, 1, 2])).volume
    turned = Volume(volume.array.transpose(order), volume.affine[:, [*order, 3]])
    scale = np.array([1.0, 1, 2])[list(order)].tolist()
    result = enhance(turned, Settings(weights=weights, scale=scale)).volume
    # The two in-plane axes may be swapped inside the network, which need not be symmetric.
    if order.index(0) < order.index(1):
        np.testing.assert_allclose(result.array, upright.array.transpose(order), atol=1e-2)
    assert result.shape == tuple(np.array(upright.shape)[list(order)])


def test_twice_the_brightness_gives_twice_the_result(network):
    volume, weights = scan(), network(2, 2)
    wish = Settings(weights=weights, scale=[2, 2, 1])
    one, two = (enhance(volume.with_array(f * volume.array), wish).volume for f in (1, 2))
    np.testing.assert_allclose(two.array, 2 * one.array, rtol=1e-5, atol=1e-2)


@pytest.mark.parametrize("factor", [[1.5, 1.5, 1], [3, 3, 1], [2.4, 2, 1]])
def test_what_the_network_leaves_of_the_way_is_resampled(network, factor):
    volume = scan()
    result = enhance(volume, Settings(weights=network(2, 2), scale=factor)).volume
    assert result.shape == tuple(
        int(np.floor(n * f + 0.5)) for n, f in zip(volume.shape, factor, strict=True)
    )
    extent = np.array(result.shape) * result.spacing
    np.testing.assert_allclose(extent, np.array(volume.shape) * volume.spacing)


@pytest.mark.parametrize("kernel", ["nearest", "linear", "cubic", "lanczos", "spline", "sinc"])
def test_interpolations_go_through_the_same_door_and_do_not_call_themselves_ai(kernel):
    result = enhance(scan(), Settings(weights=kernel, scale=[2]))
    assert result.volume.shape == (40, 52, 18)
    assert result.findings["label"] == "Resampled"
    assert result.findings["method"] == kernel


@pytest.mark.parametrize("scale", [(2, 2), (1, 1, 2)])
def test_consistent_results_explain_the_input(network, scale):
    wish = {"weights": network(*scale), "scale": [*scale, 1][:3]}
    free = enhance(scan(), Settings(**wish)).findings["consistency"]
    bound = enhance(scan(), Settings(**wish, consistent=True)).findings["consistency"]
    assert free["relative"] > 0.01
    assert bound["relative"] < 1e-3


def test_findings_are_json_and_name_the_weights(network):
    found = enhance(scan(), Settings(weights=network(2, 2), scale=[2, 2, 1])).findings
    assert json.loads(json.dumps(found)) == found
    assert found["label"] == "AI-enhanced"
    assert len(found["method_sha256"]) == 64
    assert found["stages"][0]["axes"] == [0, 1]


def test_damaged_voxels_never_come_out_as_a_result(network):
    volume = scan()
    volume.array[3, 3, 3] = np.inf
    with pytest.raises(SafetyGate, match="not finite"):
        enhance(volume, Settings(weights=network(2, 2), scale=[2, 2, 1]))


def test_hounsfield_units_are_warned_of_and_strict_refuses(network):
    volume = Volume(scan().array - 1000, AFFINE, "HU")
    wish = {"weights": network(2, 2), "scale": [2, 2, 1]}
    assert "HU" in enhance(volume, Settings(**wish)).findings["warnings"][0]
    with pytest.raises(SafetyGate):
        enhance(volume, Settings(**wish, strict=True))


def test_nothing_to_do_is_said():
    with pytest.raises(UsageError, match="scale above 1"):
        enhance(scan(), Settings(weights="cubic", scale=[1]))


def test_half_precision_is_close(network):
    wish = {"weights": network(2, 2), "scale": [2, 2, 1]}
    full, half = (enhance(scan(), Settings(**wish, half=h)).volume.array for h in (False, True))
    assert 0 < np.abs(full - half).max() < 0.01 * np.ptp(full)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_is_never_below_zero_stays_so(dtype):
    edge = np.zeros((16, 16, 4), dtype)
    edge[8:] = 200
    sharp = enhance(Volume(edge, AFFINE), Settings(weights="lanczos", scale=[2])).volume
    assert sharp.array.min() >= 0
    below = Volume(edge.astype(np.float32) - 100, AFFINE)
    assert enhance(below, Settings(weights="lanczos", scale=[2])).volume.array.min() < -100


@pytest.fixture
def photo(tmp_path):
    """Save a small VDSR with weights drawn by chance, for photographs, x2 to x4."""
    torch.manual_seed(0)
    arguments = {"scale": [2, 2], "dims": 2, "width": 4, "layers": 3}
    model = VDSR(**arguments)
    torch.nn.init.normal_(model.body[-1].weight, std=0.02)
    card = Card("vdsr-photo", "VDSR", arguments, {"kind": "picture"}, measured_by="bicubic",
                scales=[[3, 3], [4, 4]])  # fmt: skip
    save_weights(tmp_path / "vdsr-photo.safetensors", model, card, half=False)
    return str(tmp_path / "vdsr-photo.safetensors"), model


def picture(shape=(23, 31), dtype=np.uint8):
    rng = np.random.default_rng(5)
    return Volume(rng.integers(0, 256, (*shape, 1)).astype(dtype), np.eye(4))


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_picture_goes_through_the_network_as_in_the_paper(photo, factor, dtype):
    weights, drawn = photo
    volume = picture(dtype=dtype)
    result = enhance(volume, Settings(weights=weights, scale=[factor]))
    paper = VDSR(scale=factor, dims=2, width=4, layers=3)
    paper.load_state_dict(drawn.state_dict())
    luma = (16 + 219 * volume.array[..., 0].astype(np.float64) / 255) / 255
    with torch.no_grad():
        seen = paper(torch.from_numpy(luma).float()[None, None])[0, 0].numpy()
    expected = np.maximum((255 * seen - 16) * 255 / 219, 0)
    np.testing.assert_allclose(result.volume.array[..., 0], expected, atol=1e-3)
    stage = result.findings["stages"][0]
    assert (stage["scale"], stage["why"]) == ([factor, factor], "asked for")
    assert result.findings["consistency"]["scanner"] == "bicubic"
    assert result.findings["warnings"] == []


@pytest.mark.parametrize("factor", [1.5, 2.5, 5])
def test_what_a_photo_network_leaves_of_the_way_is_resampled_and_said(photo, factor):
    result = enhance(picture((20, 30)), Settings(weights=photo[0], scale=[factor]))
    assert result.volume.shape == (20 * factor, 30 * factor, 1)
    assert "is resampled" in result.findings["stages"][0]["why"]


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (2, 3), (17, 5)])
def test_pictures_of_any_size_go_through(photo, shape):
    result = enhance(picture(shape), Settings(weights=photo[0], scale=[2]))
    assert result.volume.shape == (*(n if n == 1 else 2 * n for n in shape), 1)


def test_photo_networks_take_volumes_slice_by_slice_and_warn(photo):
    volume = scan((16, 18, 3), np.uint16)
    result = enhance(volume, Settings(weights=photo[0], scale=[2, 2, 1]))
    assert result.volume.shape == (32, 36, 3)
    assert "vdsr-photo was trained on photographs" in result.findings["warnings"][0]
    one = Volume(volume.array.max(2, keepdims=True), np.eye(4))
    again = enhance(one, Settings(weights=photo[0], scale=[2])).findings["warnings"]
    assert again == []


@pytest.mark.parametrize(
    "volume",
    [
        Volume(picture().array, AFFINE),
        Volume(picture().array, np.eye(4), "HU"),
        Volume(np.repeat(picture().array, 2, 2), np.eye(4)),
    ],
)
def test_strict_refuses_scans_to_photo_networks(photo, volume):
    with pytest.raises(SafetyGate, match="trained on photographs"):
        enhance(volume, Settings(weights=photo[0], scale=[2, 2, 1], strict=True))


def test_cards_and_consistency_know_the_same_scanners():
    assert set(card.SCANNERS) == set(SCANNERS)


class Attention(torch.nn.Module):
    """Weighs the image by its own mean, as channel attention does."""

    halo, multiple = None, 1

    def __init__(self, *, scale, dims):
        super().__init__()
        self.scale, self.dims = tuple(scale), dims
        self.gain = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        x = x * (self.gain + x.mean((-2, -1), keepdim=True))
        return x.repeat_interleave(2, -1).repeat_interleave(2, -2)


def test_a_network_that_sees_the_whole_image_is_never_cut(tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "Attention", Attention)
    arguments = {"scale": [2, 2], "dims": 2}
    path = tmp_path / "whole.safetensors"
    save_weights(path, Attention(**arguments), Card("whole", "Attention", arguments,
                 {"kind": "fixed", "low": 0, "high": 1}))  # fmt: skip
    volume = Volume(scan((64, 48, 5)).array / 1000, AFFINE)
    wish = {"weights": str(path), "scale": [2, 2, 1], "folder": tmp_path}
    whole = volume.array * (1 + volume.array.mean((0, 1), keepdims=True))
    for memory in (2**32, 2**20):  # all slices at once, some at once
        result = enhance(volume, Settings(**wish, memory=memory)).volume
        np.testing.assert_allclose(result.array[::2, ::2], whole, rtol=1e-5)
    with pytest.raises(LimitExceeded, match="the whole image, which this model needs at once"):
        enhance(volume, Settings(**wish, memory=2**14))


@pytest.fixture
def cleaner(tmp_path):
    """Save a network that takes 10 HU off every voxel of CT, at its own voxels."""
    model = REDCNN(scale=1, dims=2, width=2)
    torch.nn.init.constant_(model.decoder[-1].bias, -10 / 4095)
    hu = Images("CT", "HU")
    card = Card("cleaner", "REDCNN", {"scale": [1, 1], "dims": 2, "width": 2},
                {"kind": "fixed", "low": -1024.0, "high": 3071.0}, input=hu, output=hu)  # fmt: skip
    save_weights(tmp_path / "cleaner.safetensors", model, card)
    return str(tmp_path / "cleaner.safetensors")


def ct(noise=0.0, unit="HU"):
    line = np.linspace(-1.2, 1.2, 120)
    hu = np.where(np.hypot(line[:, None], line) < 1, 40.0, -1000.0)[..., None].repeat(4, -1)
    hu += noise * np.random.default_rng(0).standard_normal(hu.shape)
    return Volume(hu.astype(np.float32), AFFINE, unit)


def test_a_denoiser_keeps_the_voxels_the_place_and_the_unit(cleaner):
    volume = ct()
    done = enhance(volume, Settings(weights=cleaner))
    np.testing.assert_allclose(done.volume.array, volume.array - 10, atol=0.01)
    np.testing.assert_array_equal(done.volume.affine, volume.affine)
    assert done.volume.unit == "HU"
    assert done.findings["consistency"] is None
    assert done.findings["warnings"] == []
    assert "the same voxels" in done.findings["description"]
    assert enhance(volume, Settings(weights=cleaner, scale=[2, 2, 1])).volume.shape == (240, 240, 4)
    with pytest.raises(UsageError, match="only consistent result is the input"):
        enhance(volume, Settings(weights=cleaner, consistent=True))


def test_networks_for_ct_and_for_mri_are_not_taken_for_each_other(cleaner, network):
    heard = enhance(scan(), Settings(weights=cleaner)).findings["warnings"]
    assert "not those of CT in HU, and cleaner was trained on CT" in heard[0]
    wish = Settings(weights=network(2, 2), scale=[2, 2, 1])
    assert "trained on MRI" in enhance(ct(unit="a.u."), wish).findings["warnings"][0]


def test_a_noisy_ct_is_said_to_be_like_low_dose(network):
    wish = Settings(weights=network(2, 2), scale=[2, 2, 1])
    loud, quiet = (in_words(enhance(ct(noise), wish).findings)[0] for noise in (80, 15))
    assert "as of low dose: `--model ct-low-dose` takes it out" in loud
    assert "low dose" not in quiet
    assert "HU" in quiet
