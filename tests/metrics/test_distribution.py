"""FID and KID of distributions whose distance is known, and intervals that hold what they say.

Oracles: the closed form between Gaussians; scipy's matrix square root; the kernel written out
as loops; the mean over many draws. Properties: symmetry, a rotation changes nothing, equal sets
are at 0. Few images are warned of, and what is no set of features is named.
"""

import numpy as np
import pytest
import torch
from scipy import linalg

from medacuity.errors import UsageError
from medacuity.metrics.distribution import embed, fid, kid


def normal(rows: int, columns: int, *, seed: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=rng, dtype=torch.float64)


def whitened(x: torch.Tensor) -> torch.Tensor:
    """Return rows of mean 0 and of covariance 1, exactly."""
    centred = x - x.mean(0)
    root = torch.linalg.cholesky(torch.linalg.inv(torch.cov(centred.T)))
    return centred @ root


def test_fid_of_two_gaussians_is_the_closed_form():
    x = whitened(normal(60, 4, seed=0))
    wide, shift = torch.tensor([1.0, 2.0, 3.0, 0.5]).double(), torch.tensor([0, 1, -2, 0]).double()
    by_hand = float(shift.square().sum() + (wide - 1).square().sum())
    assert fid(x * wide + shift, x, resamples=0).value == pytest.approx(by_hand)


def test_fid_agrees_with_the_matrix_square_root():
    a, b = normal(50, 6, seed=1) @ normal(6, 6, seed=2), normal(40, 6, seed=3) + 0.3
    c1, c2 = (np.cov(x.numpy(), rowvar=False) for x in (a, b))
    root = linalg.sqrtm(c1 @ c2).real
    means = (a.mean(0) - b.mean(0)).square().sum()
    wanted = float(means) + np.trace(c1 + c2 - 2 * root)
    assert fid(a, b, resamples=0).value == pytest.approx(wanted, rel=1e-9)


@pytest.mark.filterwarnings("ignore:FID of")
def test_fid_of_fewer_images_than_features_agrees_too():
    a, b = normal(7, 12, seed=1), normal(9, 12, seed=2)
    c1, c2 = (np.cov(x.numpy(), rowvar=False) for x in (a, b))
    values = np.linalg.eigvals(c1 @ c2).real.clip(0)
    wanted = float((a.mean(0) - b.mean(0)).square().sum()) + np.trace(c1 + c2)
    wanted -= 2 * np.sqrt(values).sum()
    assert fid(a, b, resamples=0).value == pytest.approx(wanted, rel=1e-5)


def by_loops(a: torch.Tensor, b: torch.Tensor) -> float:
    def mean(first, second, same):
        values = [
            (float(x @ y) / len(x) + 1) ** 3
            for i, x in enumerate(first)
            for j, y in enumerate(second)
            if not (same and i == j)
        ]
        return sum(values) / len(values)

    return mean(a, a, True) + mean(b, b, True) - 2 * mean(a, b, False)


def test_kid_is_the_unbiased_estimate_written_out():
    a, b = normal(9, 5, seed=0), normal(11, 5, seed=1) + 0.5
    assert kid(a, b, resamples=0).value == pytest.approx(by_loops(a, b))


def test_kid_is_zero_on_average_for_one_distribution():
    values = [
        kid(normal(20, 6, seed=n), normal(30, 6, seed=1000 + n), resamples=0).value
        for n in range(400)
    ]
    error = np.std(values) / len(values) ** 0.5
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0 < max(values)


@pytest.mark.parametrize("measure", [fid, kid])
def test_properties(measure):
    a, b = normal(80, 5, seed=0), 1.5 * normal(70, 5, seed=1) + 0.2
    turn = torch.linalg.qr(normal(5, 5, seed=2)).Q
    value = measure(a, b, resamples=0).value
    assert measure(b, a, resamples=0).value == pytest.approx(value)
    assert measure(a @ turn, b @ turn, resamples=0).value == pytest.approx(value)
    further = [measure(a + shift, a, resamples=0).value for shift in (0, 0.3, 0.6, 1.2)]
    assert further == sorted(further)


def test_fid_of_a_set_with_itself_is_zero():
    x = normal(50, 5, seed=0)
    assert fid(x, x, resamples=0).value == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("measure", [fid, kid])
def test_intervals_hold_the_mean_over_draws_as_often_as_they_say(measure):
    draws = [
        measure(normal(60, 4, seed=n) + 0.4, normal(60, 4, seed=5000 + n), resamples=60, seed=n)
        for n in range(40)
    ]
    mean = np.mean([draw.value for draw in draws])
    held = np.mean([draw.low <= mean <= draw.high for draw in draws])
    assert held >= 0.88  # of 0.95, over 40 draws


@pytest.mark.parametrize("measure", [fid, kid])
def test_images_of_one_patient_make_intervals_wider_not_narrower(measure):
    """Ten patients of eight images that are nearly alike say little more than ten images."""
    people = normal(10, 3, seed=0).repeat_interleave(8, 0)
    real = people + 0.05 * normal(80, 3, seed=1)
    generated = normal(200, 3, seed=2)
    plain = measure(generated, real)
    honest = measure(generated, real, patients=[n // 8 for n in range(80)])
    assert honest.value == plain.value
    assert honest.high - honest.low > 1.3 * (plain.high - plain.low)


def test_the_seed_decides_the_interval():
    a, b = normal(30, 3, seed=0), normal(30, 3, seed=1)
    for measure in (fid, kid):
        one, again, other = (measure(a, b, seed=seed) for seed in (4, 4, 5))
        assert one == again
        assert one.value == other.value
        assert (one.low, one.high) != (other.low, other.high)


def test_few_images_are_warned_of():
    with pytest.warns(UserWarning, match="FID of 9 images on 8 features is too high"):
        fid(normal(9, 8, seed=0), normal(100, 8, seed=1), resamples=0)


def test_embed_averages_over_places_and_takes_vectors_as_they_are():
    x = torch.rand(3, 1, 4, 4)
    rows = embed([x, x[:1, ..., :2]], network=lambda x: (x, torch.cat([x, 2 * x], 1)))
    assert rows.shape == (4, 3)
    assert rows[:3, 0] == pytest.approx(x.double().mean((1, 2, 3)))
    assert rows[:, 2] == pytest.approx(2 * rows[:, 1])
    vectors = embed([x], network=lambda x: x.flatten(1))
    assert torch.equal(vectors, x.flatten(1).double())


@pytest.mark.parametrize(("generated", "real"), [
    (torch.rand(5, 3), torch.rand(5, 4)),
    (torch.rand(5), torch.rand(5)),
    (torch.rand(1, 3), torch.rand(5, 3)),
    (torch.rand(5, 0), torch.rand(5, 0)),
    (torch.full((5, 3), torch.nan), torch.rand(5, 3)),
])  # fmt: skip
def test_what_is_no_set_of_features_is_named(generated, real):
    for measure in (fid, kid):
        with pytest.raises(UsageError, match=r"features|images"):
            measure(generated, real)


def test_patients_must_be_as_many_as_images():
    with pytest.raises(UsageError, match="one per image, 30, got 2"):
        kid(normal(30, 3, seed=0), normal(30, 3, seed=1), patients=["a", "b"])
