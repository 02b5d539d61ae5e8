"""A volume in, a better volume in the same place out, whatever tiles, axes and memory."""

import json

import numpy as np
import pytest
import torch

from medacuity.checkpoint import Card, save_weights
from medacuity.enhance import Settings, enhance
from medacuity.errors import LimitExceeded, SafetyGate, UsageError
from medacuity.models import AcuityNet
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
