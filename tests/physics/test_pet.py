"""The PET simulator measures as theory says a PET scanner does.

- A ball keeps, in its middle, the closed form of a Gaussian-blurred ball, through the whole chain.
- FBP: the variance of counted line integrals gives the closed form of filtered back-projection
  with linear interpolation, is one over the counts, and its spectrum rises with frequency.
- OSEM stays >= 0, keeps the counts of its last subset, and stands still at the truth.
- Attenuation and background, once corrected, change nothing but the noise.
- SUV is 1 where the tracer is as dense as if spread evenly.
"""

import itertools
import math

import numpy as np
import pytest
import torch

from medacuity.errors import UsageError
from medacuity.physics.fbp import fbp
from medacuity.physics.geometry import Grid, parallel
from medacuity.physics.osem import Counts, osem
from medacuity.physics.pet import F18_MINUTES, recovery, scan, suv
from medacuity.physics.pet_scanner import WATER, Scanner, blurred, count, reconstructed
from medacuity.physics.radon import Radon


def ball(radius: float, size: int = 49, *, fine: int = 4) -> torch.Tensor:
    """Return a ball of 1 in nothing, in voxels of 1 mm, each the mean of ``fine**3`` samples."""
    line = (torch.arange(size * fine) + 0.5) / fine - size / 2
    square = line**2
    full = (square[:, None, None] + square[:, None] + square <= radius**2).float()
    return full.reshape(size, fine, size, fine, size, fine).mean((1, 3, 5))


def disc(radius: float, size: int, spacing: float) -> torch.Tensor:
    """Return a disc of 1 in nothing."""
    line = (torch.arange(size) - (size - 1) / 2) * spacing
    return ((line**2)[:, None] + line**2 <= radius**2).float()[None, None]


def middle(x: torch.Tensor) -> float:
    """Return the voxel in the middle of an odd number of them."""
    i, j, k = (n // 2 for n in x.shape)
    return float(x[i, j, k])


@pytest.mark.parametrize("radius", [4.0, 7.0, 12.0])
def test_a_ball_keeps_what_theory_says(radius):
    x = blurred(ball(radius)[None, None], fwhm=5.0, spacing=(1.0, 1.0, 1.0))[0, 0]
    assert middle(x) == pytest.approx(recovery(radius, fwhm=5.0), abs=0.02)


@pytest.mark.parametrize("method", ["fbp", "osem"])
def test_and_keeps_it_through_the_scanner(method):
    activity = ball(8.0)
    settings = Scanner(fwhm=6.0, spacing=1.0, method=method, iterations=30, subsets=8, smoothing=0,
                       background=0.0, views=96)  # fmt: skip
    x = scan(activity, (activity > 0).float(), settings, spacing=(1, 1, 1), rng=None)
    assert x.shape == activity.shape
    assert middle(x) == pytest.approx(recovery(8.0, fwhm=6.0), abs=0.04)


def fbp_variance(sigma: float, *, views: int, pitch: float) -> float:
    """Return the variance of a pixel from noise of ``sigma`` in every line integral.

    Each view adds ``(pi / views)^2`` times the power of noise behind a ramp, ``sigma^2 pitch
    f^2``, seen through linear interpolation anywhere between two bins, ``(2 + cos) / 3``.
    """
    f = np.linspace(0, 0.5 / pitch, 20_001)
    power = sigma**2 * pitch * f**2 * (2 + np.cos(2 * np.pi * f * pitch)) / 3
    return (math.pi / views) ** 2 * views * 2 * float(np.trapezoid(power, f))


def noise_of(sigma: float, pitch: float, views: int = 90) -> torch.Tensor:
    """Return what FBP makes of noise, off the middle, where pixels meet bins anywhere."""
    geometry = parallel(views, bins=128, pitch=pitch)
    rng = torch.Generator().manual_seed(0)
    y = sigma * torch.randn(24, 1, views, 128, generator=rng)
    grid = Grid((40, 40), (pitch, pitch), (3.3 * pitch, 5.7 * pitch))
    return fbp(y, geometry, grid)


def test_fbp_has_the_variance_of_theory():
    for sigma, pitch in ((1.0, 2.0), (0.3, 1.5)):
        found = float(noise_of(sigma, pitch).var())
        assert found == pytest.approx(fbp_variance(sigma, views=90, pitch=pitch), rel=0.05)


def test_the_power_of_fbp_noise_rises_with_frequency():
    x = noise_of(1.0, 2.0)[:, 0]
    power = torch.fft.fft2(x).abs().square().mean(0)
    f = torch.fft.fftfreq(40)
    radius = torch.hypot(f[:, None], f[None])
    low, high = (power[(radius > a) & (radius < b)].mean() for a, b in ((0.04, 0.09), (0.14, 0.19)))
    # Power goes with |f|, and with the square of what interpolation keeps.
    kept = [((2 + math.cos(2 * math.pi * f)) / 3) for f in (0.065, 0.165)]
    wanted = (0.165 * kept[1]) / (0.065 * kept[0])
    assert float(high / low) == pytest.approx(wanted, rel=0.2)


def test_variance_is_one_over_the_counts():
    activity, settings = disc(60, 64, 2.0).repeat(12, 1, 1, 1), {"method": "fbp", "views": 96}
    spread = []
    for counts in (2e6, 8e6):
        scanner = Scanner(counts=counts, background=0.0, **settings)
        data = count(activity, WATER * activity, scanner, torch.Generator().manual_seed(1))
        x = reconstructed(data, scanner, (64, 64))
        spread.append(float(x[:, 0, 22:42, 22:42].var()))
    assert spread[0] / spread[1] == pytest.approx(4.0, rel=0.1)


def test_attenuation_and_background_corrected_leave_no_trace():
    activity, head = disc(40, 48, 2.0), disc(46, 48, 2.0)
    for method in ("fbp", "osem"):
        scanner = Scanner(method=method, views=60, background=0.5, iterations=20)
        with_head = reconstructed(count(activity, WATER * head, scanner, None), scanner, (48, 48))
        plain = Scanner(method=method, views=60, background=0.0, iterations=20)
        without = reconstructed(count(activity, 0 * head, plain, None), plain, (48, 48))
        close = 1e-3 if method == "fbp" else 0.02  # OSEM gets there by another way
        assert float((with_head - without)[activity > 0].abs().mean()) < close
        assert float(with_head[0, 0, 20:28, 20:28].mean()) == pytest.approx(1.0, abs=0.02)


def test_uncorrected_the_middle_is_as_dark_as_theory_says():
    """Of a disc of radius R: the mean of (1 - a c) exp(-a c) with a = 2 mu R, c the cosine.

    It is the inverse of Radon's transform at the centre, of ``2 h exp(-2 mu h)``.
    """
    activity = disc(40, 61, 2.0)
    scanner = Scanner(method="fbp", views=120, background=0.0)
    data = count(activity, WATER * activity, scanner, None)
    blind = data._replace(factor=torch.full_like(data.factor, float(data.factor.max())))
    x = reconstructed(blind, scanner, (61, 61))
    a = 2 * WATER * 40 * np.cos((np.arange(1000) + 0.5) / 1000 * math.pi / 2)
    wanted = float(np.mean((1 - a) * np.exp(-a)))
    assert float(x[0, 0, 28:33, 28:33].mean()) == pytest.approx(wanted, rel=0.04)


def test_osem_stays_above_0_and_keeps_the_counts():
    activity = disc(30, 40, 2.0)
    scanner = Scanner(counts=2e5, background=0.0, views=48)
    data = count(activity, WATER * activity, scanner, torch.Generator().manual_seed(0))
    geometry, grid = scanner.layout((40, 40))
    for subsets in (1, 6):
        x = osem(data, geometry, grid, iterations=3, subsets=subsets)
        assert float(x.min()) >= 0
        last = list(range(subsets - 1, 48, subsets))
        explained = Radon(geometry.select(last), grid)(x) * data.factor[:, :, last]
        assert float(explained.sum()) == pytest.approx(
            float(data.counts[:, :, last].sum()), rel=1e-4
        )


def test_the_truth_is_where_osem_stands_still():
    activity = disc(30, 40, 2.0) + 0.2
    scanner = Scanner(views=48)
    data = count(activity, WATER * activity, scanner, None)
    x = osem(data, *scanner.layout((40, 40)), iterations=2, subsets=4, start=activity)
    torch.testing.assert_close(x, activity, rtol=1e-3, atol=1e-4)


def test_the_likelihood_of_em_never_falls():
    activity = disc(30, 40, 2.0)
    scanner = Scanner(counts=3e5, views=48)
    data = count(activity, WATER * activity, scanner, torch.Generator().manual_seed(0))
    geometry, grid = scanner.layout((40, 40))
    x, likely = torch.ones_like(activity), []
    for _ in range(6):
        expected = Radon(geometry, grid)(x) * data.factor + data.background
        likely.append(float((data.counts * expected.log() - expected).double().sum()))
        x = osem(data, geometry, grid, iterations=1, subsets=1, start=x)
    assert all(b > a for a, b in itertools.pairwise(likely))


def test_suv_of_an_even_spread_is_1():
    assert suv(350e6 / 70_000, dose=350e6, weight=70) == pytest.approx(1)
    late = suv(350e6 / 70_000 / 2, dose=350e6, weight=70, minutes=F18_MINUTES)
    assert late == pytest.approx(1)
    assert float(suv(torch.tensor(10_000.0), dose=350e6, weight=70)) == pytest.approx(2)


def test_a_scan_is_decided_by_its_seed_and_means_the_truth():
    activity = torch.zeros(48, 48, 8)
    activity[14:34, 14:34] = 5.0
    settings = Scanner(spacing=2.0, counts=4e6, views=48)
    seeds = [torch.Generator().manual_seed(n) for n in (1, 1, 2)]
    a, b, c = (scan(activity, (activity > 0).float(), settings, spacing=(1, 1, 1), rng=rng)
               for rng in seeds)  # fmt: skip
    assert a.shape == (24, 24, 4)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert float(a[11:13, 11:13, 1:3].mean()) == pytest.approx(5.0, rel=0.15)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Scanner(method="mlaa"), "osem or fbp"),
        (lambda: Scanner(counts=0), "above 0"),
        (lambda: Scanner(background=math.nan), "above 0"),
        (lambda: suv(1.0, dose=0, weight=70), "above 0"),
        (lambda: scan(torch.ones(4, 4), torch.ones(4, 4), Scanner(), spacing=(1, 1), rng=None),
         "3 axes"),
        (lambda: count(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), Scanner(), None),
         "no activity"),
        (lambda: osem(Counts(*[torch.ones(1, 1, 4, 9)] * 3), parallel(4, bins=9, pitch=1.0),
                      Grid((5, 5), (1.0, 1.0)), subsets=5), "1 to 4 subsets"),
        (lambda: osem(Counts(*[torch.ones(1, 1, 4, 8)] * 3), parallel(4, bins=9, pitch=1.0),
                      Grid((5, 5), (1.0, 1.0)), subsets=2), "counts need the shape"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(call, words):
    with pytest.raises(UsageError, match=words):
        call()
