"""A protocol is a name for every choice that moves a figure, and the range is always returned.

- ``paper`` gives the published bicubic rows of Set5, and MATLAB's luma.
- ``head`` counts the voxels of the head only, with holes filled; its range is the truth's
  99.9th percentile.
- ``slices`` cuts across head-foot however the array is stored, and leaves empty slices out.
- ``volume`` and ``gaussian3d`` judge all voxels in 3D; a picture in 2D.
- Images on different grids are not compared.
"""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from medacuity.errors import UnsafeGeometry, UsageError
from medacuity.metrics.fidelity import psnr, ssim
from medacuity.metrics.protocols import (
    PROTOCOLS,
    head_mask,
    luma,
    paper,
    protocol,
    slice_axis,
    truth_range,
)
from medacuity.volume import Volume

DATA = Path(os.environ.get("MEDACUITY_DATA", "../shared/data"))
NATURAL = DATA / "travel" / "natural"

EYE = np.eye(4)


def head(shape: tuple[int, int, int] = (40, 44, 24), seed: int = 0) -> np.ndarray:
    """A bright ellipsoid with texture on a dark ground."""
    rng = np.random.default_rng(seed)
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    inside = sum(g**2 for g in grid) < 0.6
    texture = ndimage.gaussian_filter(rng.standard_normal(shape), 1.5)
    return np.where(inside, 600 + 900 * texture, 0.0).clip(0)


def noisy(truth: np.ndarray, sigma: float = 30.0) -> np.ndarray:
    return truth + np.random.default_rng(5).normal(0, sigma, truth.shape)


@pytest.mark.parametrize("name", [*PROTOCOLS])
def test_every_protocol_returns_its_figures_and_its_range(name: str) -> None:
    truth = head()
    record = protocol(name, scale=2)(noisy(truth), truth)
    assert {"psnr", "ssim", "nrmse", "mae", "data_range"} <= record.keys()
    assert all(isinstance(value, float) and math.isfinite(value) for value in record.values())
    assert 0 < record["ssim"] < 1


@pytest.mark.parametrize("name", ["volume", "gaussian3d", "head", "slices"])
def test_scale_of_the_intensities_does_not_matter(name: str) -> None:
    """The range follows the truth: other units, other MAE, the same dB."""
    truth = head()
    one, thousand = (protocol(name)(noisy(truth) * f, truth * f) for f in (1.0, 1000.0))
    assert thousand["psnr"] == pytest.approx(one["psnr"], abs=1e-6)
    assert thousand["ssim"] == pytest.approx(one["ssim"], abs=1e-6)
    assert thousand["mae"] == pytest.approx(1000 * one["mae"])
    assert thousand["data_range"] == pytest.approx(1000 * one["data_range"])


@pytest.mark.parametrize("name", [*PROTOCOLS])
def test_nothing_changed_is_perfect(name: str) -> None:
    truth = head().round().clip(0, 255)
    record = protocol(name, scale=1)(truth, truth)
    assert record["psnr"] == math.inf
    assert record["ssim"] == pytest.approx(1)
    assert record["mae"] == 0


@pytest.mark.skipif(not NATURAL.is_dir(), reason="the benchmark images are not here")
@pytest.mark.parametrize(("scale", "expected"), [(2, 33.66), (3, 30.39), (4, 28.42)])
def test_paper_gives_the_published_bicubic_row_of_set5(scale: int, expected: float) -> None:
    image = pytest.importorskip("PIL.Image")
    from medacuity.resize import bicubic

    figures = []
    for path in sorted((NATURAL / "Set5").glob("*.png")):
        rgb = np.asarray(image.open(path).convert("RGB"))
        rows, columns = (n // scale * scale for n in rgb.shape[:2])
        truth = luma(rgb[:rows, :columns]).round()
        x = torch.from_numpy(truth)[None, None]
        back = bicubic(bicubic(x, 1 / scale), float(scale))
        figures.append(paper(scale)(back[0, 0].numpy()[..., None], truth[..., None])["psnr"])
    assert len(figures) == 5
    assert np.mean(figures) == pytest.approx(expected, abs=0.01)


@pytest.mark.skipif(not NATURAL.is_dir(), reason="the benchmark images are not here")
def test_luma_is_that_of_matlab() -> None:
    (path,) = (NATURAL / "matlab_ref").glob("*x2*.npz")
    reference = np.load(path)
    assert np.allclose(luma(reference["im_gt"]), reference["im_gt_y"], atol=1e-9)


def test_paper_rounds_clips_and_crops() -> None:
    truth = np.full((20, 24, 1), 100.0)
    prediction = truth + 0.4  # rounds away
    prediction[:2] = prediction[:, -2:] = 999  # inside the border that is taken off
    assert paper(2)(prediction, truth)["psnr"] == math.inf
    assert paper((0, 2))(prediction, truth)["psnr"] < math.inf
    white = paper(0)(truth * 0 + 9999, truth * 0)
    assert white["psnr"] == pytest.approx(0)


def test_head_measures_inside_the_head_only() -> None:
    truth = head()
    prediction = truth.copy()
    prediction[0] += 500  # far outside
    assert protocol("head")(prediction, truth)["psnr"] == math.inf
    assert protocol("volume")(prediction, truth)["psnr"] < 40
    inside = head_mask(truth)
    shifted = protocol("head")(truth + 10.0, truth)
    span = np.percentile(truth, 99.9)
    assert shifted["psnr"] == pytest.approx(20 * math.log10(span / 10))
    assert shifted["data_range"] == pytest.approx(span)
    assert shifted["voxels"] == inside.sum()


def test_the_similarity_of_the_head_is_that_of_its_slices() -> None:
    truth = head()
    prediction, inside = noisy(truth), head_mask(truth)
    span = float(np.percentile(truth, 99.9))
    metrics = pytest.importorskip("skimage.metrics")
    maps = [
        metrics.structural_similarity(
            prediction[:, :, k], truth[:, :, k], data_range=span, full=True,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )[1]
        for k in range(truth.shape[2])
    ]  # fmt: skip
    valid = np.zeros_like(inside)
    valid[5:-5, 5:-5] = inside[5:-5, 5:-5]
    expected = np.stack(maps, -1)[valid].mean()
    assert protocol("head")(prediction, truth)["ssim"] == pytest.approx(expected, abs=1e-9)


def test_the_head_has_no_holes() -> None:
    truth = head()
    truth[15:24, 17:26, :] = 0  # a shaft from top to bottom, open at both ends
    truth[8:12, 20:24, 10:14] = 0  # a cave
    mask = head_mask(truth)
    assert mask[20, 22, 12]
    assert mask[10, 22, 12]
    assert not mask[0, 0].any()


def test_a_stack_of_slices_keeps_the_head_it_has_in_the_whole() -> None:
    """Smoothing across a cut hardly matters: the mask of a slab is the slab of the mask."""
    truth = head((60, 64, 40))
    slab = slice(10, 30)
    differ = head_mask(truth)[:, :, slab] ^ head_mask(truth[:, :, slab])
    assert differ.sum() < 0.02 * head_mask(truth)[:, :, slab].sum()


@pytest.mark.parametrize("name", ["head", "slices"])
@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_slices_follow_the_head_not_the_array(name: str, axes: tuple[int, int, int]) -> None:
    truth = head()
    affine = np.eye(4)[:, [*axes, 3]]  # array axis a runs along world axis axes[a]
    stored = [Volume(v.transpose(axes), affine) for v in (noisy(truth), truth)]
    assert slice_axis(stored[1]) == axes.index(2)
    expected = protocol(name)(noisy(truth), truth)
    assert protocol(name)(*stored) == pytest.approx(expected)


def test_empty_slices_are_left_out_and_counted() -> None:
    truth = head()
    truth[:, :, :5] = 0
    prediction = noisy(truth)
    prediction[:, :, :5] = 0
    record = protocol("slices")(prediction, truth)
    filled = truth.max((0, 1)) > 0
    assert record["slices"] == filled.sum() < truth.shape[2]
    assert math.isfinite(record["psnr"])
    by_slice = [
        psnr(*(torch.from_numpy(v[None, None, :, :, k]) for v in (prediction, truth)),
             data_range=record["data_range"]).item()
        for k in np.flatnonzero(filled)
    ]  # fmt: skip
    assert record["psnr"] == pytest.approx(np.mean(by_slice))


def test_the_two_protocols_of_a_volume_differ_in_the_window_only() -> None:
    truth = head()
    prediction = noisy(truth)
    x, y = (torch.from_numpy(v)[None, None] for v in (prediction, truth))
    flat, bell = (protocol(name)(prediction, truth) for name in ("volume", "gaussian3d"))
    span = truth_range(truth)
    assert flat["psnr"] == bell["psnr"]
    assert bell["ssim"] == pytest.approx(ssim(x, y, data_range=span).item())
    assert flat["ssim"] != pytest.approx(bell["ssim"], abs=1e-4)


@pytest.mark.parametrize("name", [*PROTOCOLS])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_picture_is_judged_in_two_dimensions(name: str, axis: int) -> None:
    truth = np.moveaxis(head()[:, :, 12:13], 2, axis)
    assert slice_axis(Volume(truth, EYE)) == axis
    record = protocol(name, scale=1)(Volume(noisy(truth), EYE), Volume(truth, EYE))
    assert math.isfinite(record["psnr"])


def test_the_range_of_ct_starts_at_air() -> None:
    ct = head() - 1024
    assert truth_range(ct) == pytest.approx(np.percentile(head(), 99.9))
    assert truth_range(head() + 100) == pytest.approx(np.percentile(head(), 99.9) + 100)


def test_other_places_are_not_compared() -> None:
    truth = Volume(head(), EYE)
    moved = EYE.copy()
    moved[0, 3] = 0.5
    with pytest.raises(UnsafeGeometry, match=r"on one grid, they are 0.5 mm apart"):
        protocol("volume")(Volume(head(), moved), truth)
    moved[0, 3] = 0.001
    assert protocol("volume")(Volume(head(), moved), truth)["psnr"] == math.inf


@pytest.mark.parametrize(
    ("prediction", "truth", "said"),
    [
        (np.ones((12, 12, 12)), np.ones((12, 12, 11)), "one shape of 3 axes"),
        (np.ones((12, 12)), np.ones((12, 12)), "one shape of 3 axes"),
        (np.ones((12, 12, 12)), np.zeros((12, 12, 12)), "must hold some signal"),
    ],
)
def test_what_cannot_be_judged_is_refused(prediction: Any, truth: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        protocol("volume")(prediction, truth)


def test_a_protocol_is_found_by_name_and_says_what_it_is() -> None:
    assert "border of 3 voxels" in str(protocol("paper", scale=3))
    assert all("range" in str(each) for each in PROTOCOLS.values())
    with pytest.raises(UsageError, match="one of paper, volume, gaussian3d, head, slices"):
        protocol("psnr")
    with pytest.raises(UsageError, match="'paper' needs the scale"):
        protocol("paper")
    with pytest.raises(UsageError, match="one per axis of a slice"):
        paper((2, 2, 2))
