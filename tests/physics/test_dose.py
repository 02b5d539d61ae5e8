"""Dose: Hounsfield's two points, Beer and Lambert's law, and the variance that counting gives."""

import math

import numpy as np
import pytest
import torch

from medacuity.errors import UsageError
from medacuity.physics.dose import Attenuation, counted, low_dose, smoothed, unbiased


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_water_is_0_and_air_is_minus_1000():
    scale = Attenuation(0.019, 0.00003)
    assert scale.to_hu(np.array([0.019, 0.00003])) == pytest.approx([0, -1000])


def test_lodopabs_numbers():
    # mu = HU (20 - 0.02) / 1000 + 20 per metre; 3071 HU is 81.35858.
    assert Attenuation().from_hu(np.array(3071.0)) * 1000 == pytest.approx(81.35858, abs=1e-9)


def test_hounsfield_there_and_back():
    hu = torch.linspace(-1000, 3000, 101, dtype=torch.float64)
    torch.testing.assert_close(Attenuation().to_hu(Attenuation().from_hu(hu)), hu)


@pytest.mark.parametrize("path", [0.0, 2.0, 5.2])
@pytest.mark.parametrize("electronic", [0.0, 5.0])
def test_the_noise_has_the_mean_and_variance_of_counting(path, electronic):
    y = torch.full((400_000,), path, dtype=torch.float64)
    photons = 20_000.0
    noisy = low_dose(y, photons=photons, rng=rng(), electronic=electronic)
    counts = photons * math.exp(-path)
    variance = (1 + electronic**2 / counts) / counts
    assert float(noisy.var()) == pytest.approx(variance, rel=0.1 if counts < 200 else 0.02)
    assert float(noisy.mean()) == pytest.approx(path + variance / 2, abs=5 * variance)
    assert 1 / float(counted(y[:1], photons=photons, electronic=electronic)) == pytest.approx(
        variance
    )


def test_26_cm_of_water_leave_lodopab_22_photons():
    y = torch.full((100_000,), 260 * 0.02, dtype=torch.float64)
    noisy = low_dose(y, photons=4096, rng=rng())
    assert 4096 * math.exp(-5.2) == pytest.approx(22.6, abs=0.05)
    assert float(noisy.std()) == pytest.approx(0.21, abs=0.02)


def test_no_photon_is_a_tenth_of_one():
    noisy = low_dose(torch.full((1000,), 60.0), photons=4096, rng=rng())
    torch.testing.assert_close(noisy, torch.full((1000,), math.log(40960)))


def test_the_seed_decides():
    y = torch.rand(3, 1, 20, 30)
    a, b, c = (low_dose(y, photons=1000, rng=rng(s), electronic=3) for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("wrong", [{"photons": 0}, {"photons": math.nan},
                                   {"photons": 9, "electronic": -1}])  # fmt: skip
def test_no_such_dose(wrong):
    with pytest.raises(UsageError, match="photons"):
        low_dose(torch.zeros(3), rng=rng(), **wrong)


def test_water_must_attenuate_more_than_air():
    with pytest.raises(UsageError, match="air < water"):
        Attenuation(0.02, 0.03)


def test_smoothing_keeps_planes():
    y = (torch.arange(20.0)[:, None] + 2 * torch.arange(30.0))[None, None]
    torch.testing.assert_close(smoothed(y)[..., 2:-2, 2:-2], y[..., 2:-2, 2:-2])


@pytest.mark.parametrize("path", [0.5, 4.0, 6.0, 7.0])
def test_few_counts_are_right_on_average(path):
    y = torch.full((1, 1, 300, 400), path)
    noisy = low_dose(y, photons=4096, rng=rng())
    assert float(unbiased(noisy, photons=4096).mean()) == pytest.approx(path, abs=3e-3)
    if path > 5:
        assert float(noisy.mean()) > path + 0.05
