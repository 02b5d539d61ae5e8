"""More or fewer voxels of the same patient, with numbers somebody else agrees with.

- ``bicubic`` is MATLAB's ``imresize`` to 1e-9, and gives the published bicubic rows of Set5.
- ``spline`` is scipy's, ``sinc`` is zero-filled k-space, ``linear`` and ``lanczos`` enlarge as
  Pillow does.
- Every kernel keeps constants; linear, cubic and spline keep straight lines inside.
- Cutting the matrix into bands changes nothing.
"""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from medacuity import resize as rs
from medacuity.physics.kspace import kspace_crop, zero_fill

KERNELS = {
    "nearest": rs.nearest,
    "linear": rs.linear,
    "cubic": rs.cubic,
    "lanczos": rs.lanczos,
    "spline": rs.spline,
    "sinc": rs.sinc,
}
SIZES = [(12, 24), (13, 27), (12, 5), (13, 6), (20, 20), (7, 40), (1, 4), (9, 1), (40, 13)]


def matrix(kernel: rs.Kernel, inputs: int, outputs: int) -> Tensor:
    """Return the kernel's whole matrix."""
    return rs.resize(torch.eye(inputs, dtype=torch.float64), [outputs], kernel).T


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_bicubic_is_matlabs(data, factor):
    matlab = np.load(data / f"travel/natural/matlab_ref/butterfly_x{factor}.npz")
    truth, low, back = (torch.from_numpy(matlab[k]) for k in ("im_gt_y", "im_l_y", "im_b_y"))
    np.testing.assert_allclose(rs.bicubic(truth, 1 / factor), low, rtol=0, atol=1e-9)
    np.testing.assert_allclose(rs.bicubic(low, factor), back, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("factor", "published"), [(2, 33.66), (3, 30.39), (4, 28.42)])
def test_bicubic_gives_the_published_rows_of_set5(data, factor, published):
    values = [
        paper_psnr(luma(path), factor) for path in sorted((data / "travel/natural/Set5").iterdir())
    ]
    assert len(values) == 5
    assert np.mean(values) == pytest.approx(published, abs=0.01)


def luma(path) -> Tensor:
    """Return the Y channel (BT.601, studio range) as 8-bit numbers in float64."""
    rgb = np.asarray(Image.open(path).convert("RGB"), np.float64)
    return torch.from_numpy(np.round(16 + rgb @ [65.481, 128.553, 24.966] / 255))


def paper_psnr(truth: Tensor, factor: int) -> float:
    """Return the PSNR of bicubic down and up, as every paper measures it."""
    height, width = (n // factor * factor for n in truth.shape)
    truth = truth[:height, :width]
    result = rs.bicubic(rs.bicubic(truth, 1 / factor), factor).round().clamp(0, 255)
    inside = slice(factor, -factor)
    error = (result - truth)[inside, inside].square().mean()
    return float(10 * torch.log10(255**2 / error))


@pytest.mark.parametrize(
    ("size", "scale", "expected"), [(255, 1 / 3, 85), (7, 0.5, 4), (85, 3, 255)]
)
def test_bicubic_rounds_sizes_up(size, scale, expected):
    assert rs.bicubic(torch.rand(1, 1, size, 4), scale).shape[2] == expected


@pytest.mark.parametrize(("old", "new"), [(12, 24), (13, 27), (12, 5), (13, 6), (40, 13)])
def test_spline_is_scipys(old, new):
    # Lines of a dozen voxels at least: on shorter ones scipy's own filter is off by up to 1e-6.
    x = np.random.default_rng(0).random(old)
    theirs = ndimage.zoom(x, new / old, order=3, mode="reflect", grid_mode=True)
    ours = rs.resize(torch.from_numpy(x), [new], rs.spline)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_spline_is_scipys_in_3d():
    x = np.random.default_rng(0).random((14, 16, 13))
    theirs = ndimage.zoom(x, (2, 1, 3), order=3, mode="reflect", grid_mode=True)
    ours = rs.resize(torch.from_numpy(x), (28, 16, 39), rs.spline)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_spline_passes_through_its_voxels():
    x = torch.rand(11, dtype=torch.float64)
    np.testing.assert_allclose(rs.resize(x, [33], rs.spline)[1::3], x)


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_sinc_is_k_space_filled_with_zeros(old, new):
    x = torch.rand(1, 1, old, 3, dtype=torch.float64)
    theirs = zero_fill(x, size=(new, 3)) if new > old else kspace_crop(x, factor=(old / new, 1))
    np.testing.assert_allclose(rs.resize(x, (new, 3), rs.sinc), theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kernel", "filter_"), [("linear", "BILINEAR"), ("lanczos", "LANCZOS")])
@pytest.mark.parametrize(("old", "new"), [(13, 29), (30, 11)])
def test_windows_are_pillows_away_from_the_edges(kernel, filter_, old, new):
    x = np.random.default_rng(1).random((old, old), np.float32)
    theirs = Image.fromarray(x).resize((new, new), Image.Resampling[filter_])
    ours = rs.resize(torch.from_numpy(x), (new, new), KERNELS[kernel])
    edge = int(np.ceil(3 * max(1, new / old))) + 1  # Pillow cuts windows at edges, we reflect
    inside = (slice(edge, -edge),) * 2 if new > 2 * edge else (slice(4, -4),) * 2
    np.testing.assert_allclose(ours[inside], np.asarray(theirs)[inside], atol=1e-5)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(("old", "new"), SIZES)
def test_rows_sum_to_one(name, old, new):
    rows = matrix(KERNELS[name], old, new)
    assert rows.shape == (new, old)
    np.testing.assert_allclose(rows.sum(1), torch.ones(new, dtype=torch.float64))


@pytest.mark.parametrize("name", ["linear", "cubic", "spline"])
@pytest.mark.parametrize(("old", "new"), [(40, 80), (40, 50), (41, 123)])
def test_straight_lines_stay_straight_inside(name, old, new):
    rows = matrix(KERNELS[name], old, new)
    centres = (torch.arange(new, dtype=torch.float64) + 0.5) * old / new - 0.5
    inside = (centres > 13) & (centres < old - 14)  # the mirrored edge of a spline dies out slowly
    line = rows @ torch.arange(old, dtype=torch.float64)
    np.testing.assert_allclose(line[inside], centres[inside], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(("old", "new"), [(50, 100), (61, 23)])
def test_bands_change_nothing(name, old, new, monkeypatch):
    x = torch.rand(3, old, 4, dtype=torch.float64)
    rs._bands.cache_clear()
    whole = rs.resize(x, (new, 4), KERNELS[name])
    for rows in (1, 7):
        monkeypatch.setattr(rs, "BAND", rows)
        rs._bands.cache_clear()
        np.testing.assert_allclose(rs.resize(x, (new, 4), KERNELS[name]), whole, rtol=0, atol=1e-13)
    rs._bands.cache_clear()


@pytest.mark.parametrize("name", KERNELS)
def test_the_same_size_is_the_same_numbers(name):
    x = torch.rand(1, 1, 5, 6, 7)
    assert torch.equal(rs.resize(x, (5, 6, 7), KERNELS[name]), x)


@pytest.mark.parametrize("name", KERNELS)
def test_the_order_of_axes_does_not_matter(name):
    x = torch.rand(1, 1, 9, 8, dtype=torch.float64)
    both = rs.resize(x, (18, 24), KERNELS[name])
    turned = rs.resize(x.mT, (24, 18), KERNELS[name]).mT
    np.testing.assert_allclose(both, turned)


def test_nothing_left_is_refused():
    with pytest.raises(ValueError, match="at least 1 voxel per axis, got \\(0, 3\\)"):
        rs.resize(torch.rand(4, 4), (0, 3), rs.linear)


@pytest.mark.parametrize("kernel", [rs.cubic, rs.spline])
def test_what_was_resized_for_use_can_be_resized_to_learn(kernel):
    """Weights of a kernel are kept, whoever asked first."""
    with torch.inference_mode():
        rs.resize(torch.rand(1, 1, 11, 13), (17, 19), kernel)
    x = torch.rand(1, 1, 11, 13, requires_grad=True)
    rs.resize(x, (17, 19), kernel).sum().backward()
    assert x.grad is not None
