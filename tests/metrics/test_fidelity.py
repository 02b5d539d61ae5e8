"""PSNR, SSIM, NRMSE and MAE are what their definitions say, on slices and volumes alike.

- They agree with scikit-image to 1e-6 where the definitions coincide (Gaussian window with
  population covariance; its default uniform window with sample covariance), in 2D and 3D.
- The general SSIM is the product of three powers, computed here by hand, and the standard form
  when the powers are 1.
- One number per image; a mask restricts the mean; nothing depends on how images are cut up.
- A missing, zero or infinite range, unequal shapes and empty masks are refused.
"""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from medacuity.errors import UsageError
from medacuity.metrics import fidelity
from medacuity.metrics.fidelity import mae, nrmse, psnr, ssim, ssim_map


def pair(*shape: int, seed: int = 0, offset: float = 0.0) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    target = torch.rand(shape, generator=rng, dtype=torch.float64).cumsum(-1) / shape[-1]
    noise = torch.randn(shape, generator=rng, dtype=torch.float64)
    return target + 0.05 * noise + offset, target + offset


@pytest.mark.parametrize("shape", [(40, 52), (24, 31, 19)])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("window", ["gaussian", "uniform"])
def test_ssim_is_that_of_scikit_image(shape: tuple[int, ...], offset: float, window: Any) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    x, y = pair(2, 1, *shape, offset=offset)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = [
        metrics.structural_similarity(
            x[b, 0].numpy(), y[b, 0].numpy(), data_range=1.5,
            **(options if window == "gaussian" else {}),
        )
        for b in range(2)
    ]  # fmt: skip
    ours = ssim(x, y, data_range=1.5, window=window, sample_covariance=window == "uniform")
    assert np.allclose(ours, expected, atol=1e-9)


@pytest.mark.parametrize("shape", [(40, 52), (24, 31, 19)])
def test_psnr_and_nrmse_are_those_of_scikit_image(shape: tuple[int, ...]) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    x, y = pair(1, 1, *shape)
    ax, ay = x[0, 0].numpy(), y[0, 0].numpy()
    expected = metrics.peak_signal_noise_ratio(ay, ax, data_range=1.5)
    assert psnr(x, y, data_range=1.5).item() == pytest.approx(expected, abs=1e-9)
    span = float(ay.max() - ay.min())
    expected = metrics.normalized_root_mse(ay, ax, normalization="min-max")
    assert nrmse(x, y, data_range=span).item() == pytest.approx(expected, abs=1e-12)


def test_closed_forms() -> None:
    target = torch.zeros(2, 1, 8, 8)
    prediction = target + torch.tensor([3.0, 4.0]).view(2, 1, 1, 1)
    assert mae(prediction, target).tolist() == [3.0, 4.0]
    assert nrmse(prediction, target, data_range=10).tolist() == pytest.approx([0.3, 0.4])
    assert psnr(prediction, target, data_range=300).tolist() == pytest.approx(
        [40.0, 20 * math.log10(75)]
    )


def test_identical_images_are_infinitely_good() -> None:
    x, _ = pair(1, 1, 20, 20)
    assert psnr(x, x, data_range=1).item() == math.inf
    assert ssim(x, x, data_range=1).item() == pytest.approx(1, abs=1e-12)


def test_constant_images_differ_in_luminance_only() -> None:
    x, y = torch.full((1, 1, 16, 16), 0.4), torch.full((1, 1, 16, 16), 0.6)
    luminance = (2 * 0.4 * 0.6 + 1e-4) / (0.4**2 + 0.6**2 + 1e-4)
    for exponents in [(1.0, 1.0, 1.0), (1.0, 2.0, 0.5)]:
        value = ssim(x, y, data_range=1, exponents=exponents).item()
        assert value == pytest.approx(luminance, abs=1e-6)


def by_hand(x: np.ndarray, y: np.ndarray, span: float, exponents: tuple[float, ...]) -> np.ndarray:
    """The definition, window by window, with loops."""
    t = np.arange(-5, 6)
    bell = np.exp(-(t**2) / 4.5)
    weights = np.multiply.outer(bell, bell)
    weights /= weights.sum()
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    rows, columns = x.shape[0] - 10, x.shape[1] - 10
    out = np.empty((rows, columns))
    for i, j in itertools.product(range(rows), range(columns)):
        a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
        ma, mb = (weights * a).sum(), (weights * b).sum()
        sa = math.sqrt((weights * (a - ma) ** 2).sum())
        sb = math.sqrt((weights * (b - mb) ** 2).sum())
        sab = (weights * (a - ma) * (b - mb)).sum()
        terms = (
            (2 * ma * mb + c1) / (ma**2 + mb**2 + c1),
            (2 * sa * sb + c2) / (sa**2 + sb**2 + c2),
            (sab + c2 / 2) / (sa * sb + c2 / 2),
        )
        powers = [
            1.0 if e == 0 else math.copysign(abs(v) ** e, v)
            for v, e in zip(terms, exponents, strict=True)
        ]
        out[i, j] = math.prod(powers)
    return out


@pytest.mark.parametrize(
    "exponents", [(1, 1, 1), (2, 1, 0.5), (0.5, 0.3, 2), (0, 1, 1), (1, 0, 0), (0, 0, 1.5)]
)
def test_the_general_form_is_the_product_of_three_powers(exponents: Any) -> None:
    x, y = pair(1, 1, 16, 18)
    x[..., :8] = 1 - x[..., :8]  # opposite structure: the third term is negative there
    expected = by_hand(x[0, 0].numpy(), y[0, 0].numpy(), 1.2, exponents)
    values = ssim_map(x, y, data_range=1.2, exponents=tuple(map(float, exponents)))
    assert np.allclose(values[0, 0], expected, atol=1e-10)
    assert exponents[2] == 0 or expected.min() < 0


def test_exponents_near_one_are_near_the_standard_form() -> None:
    x, y = pair(1, 1, 30, 30)
    near = ssim(x, y, data_range=1, exponents=(1.0, 1.0, 1 + 1e-12))
    assert near.item() == pytest.approx(ssim(x, y, data_range=1).item(), abs=1e-9)


def test_a_volume_of_equal_slices_loses_nothing_to_the_third_axis() -> None:
    """Constant along the third axis, the cube's statistics are those of the square."""
    x, y = pair(1, 1, 20, 24)
    deep = [v[..., None].expand(1, 1, 20, 24, 13) for v in (x, y)]
    flat = ssim(x, y, data_range=1).item()
    assert ssim(*deep, data_range=1).item() == pytest.approx(flat, abs=1e-10)


@given(size=st.tuples(*[st.integers(12, 24)] * 3), piece=st.integers(1, 4000), masked=st.booleans())
@settings(max_examples=15, deadline=None)
def test_nothing_depends_on_the_pieces(size: Any, piece: int, masked: bool) -> None:
    x, y = pair(2, 1, *size)
    odd = torch.stack(torch.meshgrid(*map(torch.arange, size), indexing="ij")).sum(0) % 2
    mask = odd if masked else None
    measures = (
        lambda: ssim(x, y, data_range=1, mask=mask),
        lambda: psnr(x, y, data_range=1, mask=mask),
        lambda: mae(x, y, mask=mask),
    )
    whole = [measure() for measure in measures]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fidelity, "PIECE", piece)
        for measure, expected in zip(measures, whole, strict=True):
            assert torch.allclose(measure(), expected, atol=1e-12)


def test_a_mask_restricts_the_mean() -> None:
    x, y = pair(2, 1, 24, 26)
    mask = torch.zeros(24, 26, dtype=torch.bool)
    mask[6:20, 7:15] = True
    inside = [v[..., 6:20, 7:15] for v in (x, y)]
    assert torch.allclose(psnr(x, y, data_range=1, mask=mask), psnr(*inside, data_range=1))
    assert torch.allclose(mae(x, y, mask=mask), mae(*inside))
    values = ssim_map(x, y, data_range=1)[:, :, 1:15, 2:10].mean((1, 2, 3))
    assert torch.allclose(ssim(x, y, data_range=1, mask=mask), values)


def test_masks_may_differ_between_images() -> None:
    x, y = pair(2, 1, 16, 16)
    mask = torch.zeros(2, 1, 16, 16)
    mask[0, :, :8], mask[1, :, 8:] = 1, 1
    one_by_one = [psnr(x[i, None], y[i, None], data_range=1, mask=mask[i, None]) for i in range(2)]
    assert torch.equal(psnr(x, y, data_range=1, mask=mask), torch.cat(one_by_one))


def test_integers_and_half_precision_are_measured_in_double() -> None:
    x, y = (torch.tensor([[[60000.0, 1.0]]]).to(torch.float16) for _ in range(2))
    assert mae(x, y - 1).dtype == torch.float64
    bright = torch.full((1, 1, 4, 4), 250, dtype=torch.uint8)
    assert mae(bright - 249, bright).item() == 249  # 1 - 250 does not wrap around


def test_the_map_can_be_a_loss() -> None:
    x, y = pair(1, 1, 14, 14)
    x.requires_grad_()
    (1 - ssim_map(x, y, data_range=1).mean()).backward()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0
    assert torch.autograd.gradcheck(
        lambda v: ssim_map(v, y[..., :12, :12], data_range=1).mean(),
        x.detach()[..., :12, :12].requires_grad_(),
    )


@pytest.mark.parametrize("bad", [0, -1, math.inf, math.nan])
@pytest.mark.parametrize("metric", [psnr, nrmse, ssim])
def test_a_range_must_be_a_range(metric: Any, bad: float) -> None:
    x, y = pair(1, 1, 12, 12)
    with pytest.raises(ValueError, match="data_range must be a finite number above 0"):
        metric(x, y, data_range=bad)
    with pytest.raises(TypeError, match="data_range"):
        metric(x, y)


def test_what_does_not_fit_together_is_refused() -> None:
    x, y = pair(1, 1, 12, 12)
    with pytest.raises(UsageError, match="one shape"):
        psnr(x, y[..., :11], data_range=1)
    with pytest.raises(UsageError, match="mask must hold at least one voxel"):
        psnr(x, y, data_range=1, mask=torch.zeros(12, 12))
    with pytest.raises(UsageError, match="mask must fit"):
        mae(x, y, mask=torch.ones(5, 5))
    with pytest.raises(UsageError, match=r"11 voxels along every axis, got \(10, 12\)"):
        ssim(x[:, :, :10], y[:, :, :10], data_range=1)
    with pytest.raises(UsageError, match="'gaussian' or 'uniform'"):
        ssim(x, y, data_range=1, window="box")  # type: ignore[arg-type]
