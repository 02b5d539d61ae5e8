"""VGG19 is torchvision's, by name and number, and phi_{i,j} comes where SRGAN says.

The oracle is the network written down once more in plain functions, from torchvision's printed
layout. Files are taken by their checksum only, and nothing in them runs.
"""

import hashlib

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from medacuity.errors import StorageError, UsageError, WeightsRefused
from medacuity.models.vgg import VGG19, load_vgg19

# torchvision.models.vgg19().features: the numbers of its convolutions, block by block
PRINTED = ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28, 30, 32, 34))


def reference(state, x, block, number):
    """phi_{block, number}: behind that convolution and its activation, before the pooling."""
    colours = torch.cat([x] * 3, 1) if x.shape[1] == 1 else x
    mean, deviation = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    y = torch.stack([(colours[:, c] - mean[c]) / deviation[c] for c in range(3)], 1)
    for i, places in enumerate(PRINTED, 1):
        for j, place in enumerate(places, 1):
            weight, bias = (state[f"features.{place}.{kind}"] for kind in ("weight", "bias"))
            y = F.relu(F.conv2d(y, weight, bias, padding=1))
            if (i, j) == (block, number):
                return y
        y = F.max_pool2d(y, 2)
    raise AssertionError


@pytest.fixture(scope="module")
def whole() -> VGG19:
    torch.manual_seed(0)
    return VGG19(layers=("relu5_4", "relu2_2"))


def test_names_shapes_and_number_of_weights_are_torchvisions(whole):
    state = whole.state_dict()
    names = [f"features.{n}.{kind}" for places in PRINTED for n in places
             for kind in ("weight", "bias")]  # fmt: skip
    assert list(state) == names
    assert sum(w.numel() for w in state.values()) == 20_024_384


@pytest.mark.parametrize("channels", [1, 3])
def test_phi_comes_after_the_activation_and_before_the_pooling(whole, channels):
    x = torch.rand(1, channels, 48, 32)
    phi54, phi22 = whole(x)
    assert phi54.shape == (1, 512, 3, 2)
    assert phi22.shape == (1, 128, 24, 16)
    state = whole.state_dict()
    assert torch.allclose(phi54, reference(state, x, 5, 4), atol=1e-5)
    assert torch.allclose(phi22, reference(state, x, 2, 2), atol=1e-5)


def test_what_lies_deeper_is_not_built():
    assert list(VGG19(layers=("relu1_2",)).state_dict())[-1] == "features.2.bias"


def test_its_weights_stay_still_and_the_image_gets_a_gradient():
    net, x = VGG19(layers=("relu1_1",)), torch.rand(1, 1, 8, 8, requires_grad=True)
    net(x)[0].sum().backward()
    assert x.grad is not None
    assert not any(weight.requires_grad for weight in net.parameters())


def test_wrong_layers_and_images_are_named():
    with pytest.raises(ValueError, match=r"one or several of relu1_1.*relu5_4"):
        VGG19(layers=("relu1_3",))
    with pytest.raises(ValueError, match="grey or RGB"):
        VGG19(layers=("relu1_1",))(torch.rand(1, 2, 8, 8))


SHALLOW = ("relu1_2",)


def written(folder, name="vgg19.safetensors", **changed):
    state = VGG19(layers=SHALLOW).state_dict() | {"classifier.0.bias": torch.zeros(7)} | changed
    save_file({k: v for k, v in state.items() if v is not None}, folder / name)
    path = folder / name
    return path, hashlib.sha256(path.read_bytes()).hexdigest(), state


def test_a_file_with_its_checksum_is_taken(tmp_path):
    path, digest, state = written(tmp_path)
    for digits in (digest, digest[:8], digest.upper()):
        net = load_vgg19(path, sha256=digits, layers=SHALLOW)
        assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert not net.training


def test_digits_in_the_name_are_a_checksum_too(tmp_path):
    path, digest, _ = written(tmp_path)
    named = path.rename(tmp_path / f"vgg19-{digest[:8]}.safetensors")
    load_vgg19(named, layers=SHALLOW)
    wrong = named.rename(tmp_path / "vgg19-dcbb9e9d.safetensors")
    with pytest.raises(WeightsRefused, match="dcbb9e9d was wanted"):
        load_vgg19(wrong, layers=SHALLOW)


def test_without_a_checksum_it_is_told_and_nothing_is_loaded(tmp_path):
    path, digest, _ = written(tmp_path)
    with pytest.raises(UsageError, match=digest):
        load_vgg19(path, layers=SHALLOW)


@pytest.mark.parametrize("digits", ["", "dcbb", "not hexadecimal", "0" * 65])
def test_a_checksum_has_8_to_64_digits(tmp_path, digits):
    path, *_ = written(tmp_path)
    with pytest.raises(UsageError, match="8 to 64 hexadecimal digits"):
        load_vgg19(path, sha256=digits, layers=SHALLOW)


@pytest.mark.parametrize("changed", [
    {"features.0.weight": torch.zeros(64, 1, 3, 3)},
    {"features.2.bias": None},
    {"features.2.bias": torch.full((64,), torch.nan)},
])  # fmt: skip
def test_other_weights_are_refused(tmp_path, changed):
    path, digest, _ = written(tmp_path, **changed)
    with pytest.raises(WeightsRefused, match="not those of VGG19"):
        load_vgg19(path, sha256=digest, layers=SHALLOW)


def test_a_pickle_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / "vgg19.pth"
    torch.save({"features.0.bias": torch.zeros(64)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(WeightsRefused, match="how torchvision's becomes one"):
        load_vgg19(path, sha256=digest)


def test_a_missing_file_is_a_matter_of_storage(tmp_path):
    with pytest.raises(StorageError, match="cannot read"):
        load_vgg19(tmp_path / "none.safetensors")
