"""What every model promises, so that tiling, training and weight files need no exceptions.

- ``dims`` and ``scale`` (per axis) say what comes out; any size that is a multiple of
  ``multiple`` goes in.
- ``halo`` is measured by a gradient: nothing further away matters, and it is at most one voxel
  too large.
- One image of a batch knows nothing of the others; the gradient reaches every weight.
- float32 and bfloat16 autocast agree as far as bfloat16 goes; the output is not clipped.
- A weight file brings back the same network.
- Wrong arguments are refused by name.

To add a model: add its line to ``CASES``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from medacuity import models
from medacuity.checkpoint import Card, load_weights, rule_as_json, save_weights
from medacuity.intensity import Percentile


@dataclass(frozen=True)
class Case:
    """A model of a size that is quick to test."""

    name: str
    arguments: dict[str, Any]

    def build(self, scale: Any, dims: int) -> Any:
        torch.manual_seed(0)
        model = getattr(models, self.name)(scale=scale, dims=dims, **self.arguments)
        return awake(model).eval()


def awake(model: nn.Module) -> nn.Module:
    """Give every weight, and every running average, a size that matters.

    Some networks start silent on purpose, and a fresh normalisation changes nothing.
    """
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                fan = weight[0].numel()
                weight.normal_(0, (2 / fan) ** 0.5)
        for name, average in model.named_buffers():
            average.uniform_(0.5, 1.5) if name.endswith("running_var") else average.normal_(0, 0.1)
    return model


CASES = [
    Case("AcuityNet", {"width": 6, "blocks": 2}),
    Case("EDSR", {"width": 6, "blocks": 2}),
    Case("ESPCN", {"width": 8}),
    Case("FSRCNN", {"features": 8, "shrunk": 4, "mappings": 2}),
    Case("LapSRN", {"width": 6, "convolutions": 2}),
    Case("MSLapSRN", {"width": 6, "convolutions": 1, "recursions": 2}),
    Case("RCAN", {"width": 8, "groups": 2, "blocks": 2, "reduction": 1}),
    Case("REDCNN", {"width": 4}),
    Case("SRCNN", {"kernels": (5, 1, 3), "widths": (8, 4)}),
    Case("SRResNet", {"width": 4, "blocks": 1}),
    Case("VDSR", {"width": 6, "layers": 4}),
    *(Case(name, {}) for name in ("Nearest", "Linear", "Cubic", "Lanczos", "Spline", "Sinc")),
]
LEARNED = [case for case in CASES if case.name in models.NETWORKS]
SCALES = [(2, 2), (3, 3), (4, 4), (1, 3), (2, 2, 2), (1, 1, 4), (3, 1, 2)]

every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
learned = pytest.mark.parametrize("case", LEARNED, ids=lambda case: case.name)
fixed = pytest.mark.parametrize(
    "case", [case for case in CASES if case not in LEARNED], ids=lambda case: case.name
)
scales = pytest.mark.parametrize("scale", SCALES, ids=str)


def test_every_model_is_here():
    tables = {
        "NETWORKS",
        "INTERPOLATIONS",
        "TRANSLATORS",
        "GENERATORS",
        "CRITICS",
        "FEATURES",
        "RECONSTRUCTORS",
    }
    # The others are in test_generators.py, test_critics.py and test_feature_net.py.
    others = [
        *models.TRANSLATORS, *models.GENERATORS, *models.CRITICS, *models.FEATURES,
        *models.RECONSTRUCTORS,
    ]  # fmt: skip
    names = [*(case.name for case in CASES), *others]
    assert sorted(names) == sorted(set(models.__all__) - tables)
    listed = {**models.NETWORKS, **models.INTERPOLATIONS}.values()
    assert {case.name for case in CASES} == {network.__name__ for network in listed}


@every
@scales
def test_sizes(case, scale):
    dims = len(scale)
    model = case.build(scale, dims)
    assert (model.dims, model.scale) == (dims, scale)
    assert model.multiple >= 1
    size = [(n * model.multiple) for n in (5, 7, 4)[:dims]]
    with torch.no_grad():
        out = model(torch.rand(2, 1, *size))
    assert out.shape == (2, 1, *(n * s for n, s in zip(size, scale, strict=True)))
    assert torch.isfinite(out).all()


@every
def test_one_scale_is_meant_for_all_axes(case):
    assert case.build(2, 3).scale == (2, 2, 2)
    assert case.build([1, 2], 2).scale == (1, 2)


@every
@scales
def test_halo_is_the_radius_of_what_matters(case, scale):
    model = case.build(scale, len(scale)).double()
    length = 2 * (8 if model.halo is None else model.halo) + 5
    measured = [
        reach(model, [length if a == axis else 3 for a in range(len(scale))], axis)
        for axis in range(len(scale))
    ]
    if model.halo is None:
        enlarged = [seen for seen, s in zip(measured, scale, strict=True) if s > 1]
        assert enlarged == [length // 2] * len(enlarged), "say how far it sees"
    else:
        assert max(measured) <= model.halo <= max(measured) + 1


def reach(model: Any, size: list[int], axis: int) -> int:
    """Return how many input voxels away along ``axis`` the middle voxel's output still sees."""
    x = torch.rand(1, 1, *size, dtype=torch.float64).requires_grad_()
    middle, scale = size[axis] // 2, model.scale[axis]
    out = model(x).narrow(2 + axis, middle * scale, scale)
    (gradient,) = torch.autograd.grad((out * torch.rand_like(out)).sum(), x)
    seen = gradient.abs().movedim(2 + axis, 0).flatten(1).amax(1).nonzero()[:, 0]
    return int((seen - middle).abs().max())


@every
@pytest.mark.parametrize("dims", [2, 3])
def test_images_of_a_batch_know_nothing_of_each_other(case, dims):
    model = case.build(2, dims).double()
    x = torch.rand(3, 1, *(6, 5, 7)[:dims], dtype=torch.float64)
    with torch.no_grad():
        together = model(x)
        alone = torch.cat([model(one[None]) for one in x])
        other = model(torch.cat([x[:1], 100 + x[1:]]))
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(other[:1], together[:1], atol=1e-5)


@learned
@pytest.mark.parametrize("dims", [2, 3])
def test_the_gradient_reaches_every_weight(case, dims):
    model = case.build(2, dims)
    model(torch.rand(1, 1, *(8, 7, 6)[:dims])).square().mean().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert float(weight.grad.abs().sum()) > 0, name


@every
@pytest.mark.parametrize("dims", [2, 3])
def test_half_precision_agrees_as_far_as_it_goes(case, dims):
    model = case.build(2, dims)
    x = torch.rand(1, 1, *(8, 9, 6)[:dims])
    with torch.no_grad():
        exact = model(x)
        with torch.autocast("cpu", torch.bfloat16):
            half = model(x).float()
    assert exact.dtype == torch.float32
    spread = float(exact.max() - exact.min())
    np.testing.assert_allclose(half, exact, atol=0.04 * spread)


@every
def test_nothing_is_clipped(case):
    model = case.build(2, 2)
    with torch.no_grad():
        out = model(10 * torch.randn(1, 1, 12, 12))
    assert out.min() < 0
    assert out.max() > 1


@every
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_come_out_as_they_went_in(case, channels):
    arguments = {**case.arguments, **({"channels": channels} if case in LEARNED else {})}
    model = Case(case.name, arguments).build(2, 2)
    assert model(torch.rand(1, channels, 5, 6)).shape == (1, channels, 10, 12)


@learned
def test_flat_kernels_in_3d_are_the_2d_network_slice_by_slice(case):
    flat = case.build((2, 3), 2)
    solid = case.build((2, 3, 1), 3)
    with torch.no_grad():
        states = zip(solid.state_dict().items(), flat.state_dict().values(), strict=True)
        for (name, thick), thin in states:
            if thick.ndim == thin.ndim:
                thick.copy_(thin)
            else:
                thick.zero_()
                thick[..., thick.shape[-1] // 2] = thin
                assert thick.shape[:-1] == thin.shape, name
        x = torch.rand(1, 1, 6, 5, 4)
        if flat.halo is None:  # what looks at the whole image is to see the same in all slices
            x = x[..., :1].repeat(1, 1, 1, 1, 4)
        slices = torch.stack([flat(x[..., k]) for k in range(4)], dim=-1)
        np.testing.assert_allclose(solid(x), slices, atol=1e-5)


@fixed
def test_an_axis_of_factor_one_is_untouched_by_an_interpolation(case):
    x = torch.rand(1, 1, 6, 5, 4)
    flat = case.build((2, 2), 2)
    slices = torch.stack([flat(x[..., k]) for k in range(4)], dim=-1)
    np.testing.assert_allclose(case.build((2, 2, 1), 3)(x), slices, atol=1e-6)


@learned
@pytest.mark.parametrize("scale", [(2, 2), (1, 1, 4)], ids=str)
def test_a_weight_file_brings_back_the_same_network(case, scale, tmp_path):
    model = case.build(scale, len(scale))
    arguments = {"scale": list(scale), "dims": len(scale), **case.arguments}
    card = Card(case.name, case.name, arguments, rule_as_json(Percentile()))
    save_weights(tmp_path / "it.safetensors", model, card, half=False)
    again = load_weights(tmp_path / "it.safetensors").model
    x = torch.rand(1, 1, *(6, 7, 5)[: len(scale)])
    assert torch.equal(again(x), model(x))
    assert (again.scale, again.dims, again.halo) == (model.scale, model.dims, model.halo)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"dims": 1}, "dims must be 2 .* or 3"),
    ({"dims": 4}, "dims must be 2 .* or 3"),
    ({"scale": 0}, "scale needs 2 whole numbers"),
    ({"scale": 2.5}, "scale needs 2 whole numbers"),
    ({"scale": (2, 2, 2)}, "scale needs 2 whole numbers"),
    ({"scale": (2, -1)}, "scale needs 2 whole numbers"),
]


@every
@pytest.mark.parametrize(("wrong", "named"), WRONG, ids=str)
def test_wrong_arguments_are_refused_by_name(case, wrong, named):
    with pytest.raises(ValueError, match=named):
        getattr(models, case.name)(**{"scale": 2, "dims": 2, **wrong, **case.arguments})


@every
def test_misspelt_arguments_are_not_swallowed(case):
    with pytest.raises(TypeError, match="sacle"):
        getattr(models, case.name)(scale=2, dims=2, sacle=3)


@learned
@pytest.mark.parametrize("count", [-1, 0, 2.5, "8", None])
def test_counts_of_nothing_are_refused_by_name(case, count):
    for name in ("channels", *case.arguments):
        given = case.arguments.get(name)
        several = isinstance(given, tuple)
        series = [(count, *given[1:]), (*given[:-1], count), given[1:]] if several else []
        for wrong in (count, *series):
            arguments = {"scale": 2, "dims": 2, **case.arguments, name: wrong}
            with pytest.raises(ValueError, match=f"{name} must be (a|[0-9]) whole numbers? >= "):
                models.NETWORKS[case.name](**arguments)
