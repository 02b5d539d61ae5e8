"""Scans to learn reconstruction from: pieces and their rays agree, noise is that of the dose.

A batch depends on its number alone; pieces of patients keep HU; the body around a piece takes
photons and nothing else; what networks start from is what reconstruction makes of the scan;
networks that see rays learn from them.
"""

from dataclasses import replace
from functools import partial

import nibabel
import numpy as np
import pytest
import torch

from medacuity.losses import decibel
from medacuity.models import PrimalDual
from medacuity.physics.fbp import fbp
from medacuity.physics.iterative import noise_level
from medacuity.physics.radon import Radon
from medacuity.physics.tv import shortest_edges
from medacuity.training.cases import Case
from medacuity.training.learners.descent import adam
from medacuity.training.learners.supervised import Supervised
from medacuity.training.prepare import prepare
from medacuity.training.projections import (
    ELLIPSES,
    WATER,
    Scanner,
    Scans,
    make_pieces,
    scanned,
    unrolled,
)
from medacuity.training.recipes import RECIPES

SMALL = Scanner(views=24, parts=4, photons=(1e4, 1e5), size=32)
SILENT = replace(SMALL, quiet=1.0)
HALF = replace(SMALL, quiet=0.5)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def ellipses():
    """Line integrals in mm, and the pieces."""
    rays, images = make_pieces(ELLIPSES, SILENT, rng())
    return 10 * rays[:, :1], images[:, :1]


@pytest.fixture
def ct(tmp_path):
    """A block of water with lung in it, 1.5 mm pixels in 5 mm slices."""
    array = np.full((80, 80, 6), -1000, np.int16)
    array[5:75, 5:75] = 0
    array[20:45, 20:60] = -800
    path = tmp_path / "ct.nii.gz"
    nibabel.save(nibabel.Nifti1Image(array, np.diag([1.5, 1.5, 5.0, 1.0])), path)
    return Case(path, "ct", "train")


def test_pieces_and_their_rays_agree(ellipses):
    y, x = ellipses
    assert y.shape[1:] == (1, 24, SMALL.geometry.bins)
    assert x.shape[1:] == (1, 32, 32)
    assert float(x.min()) >= 0
    # Every view holds the whole piece: its sum is that of the pixels.
    area = SMALL.grid.spacing[0] ** 2
    sums = y.sum(-1)[:, 0] * SMALL.geometry.pitch
    torch.testing.assert_close(sums.mean(1), x.sum((1, 2, 3)) * area, rtol=0.02, atol=2.0)


def test_a_patient_keeps_hounsfield_units(ct):
    x = make_pieces(ct, SMALL, rng())[1][:, 0]
    tissue = x[(x > 0.9) & (x < 1.1)]
    assert abs(float(tissue.median()) - 1) < 0.01
    lung = x[(x > 0.15) & (x < 0.25)]
    assert len(lung) > 100
    assert abs(float(lung.median()) - 0.2) < 0.01


def test_mr_anatomy_gets_values_of_ct(tmp_path):
    blobs = torch.rand(1, 1, 6, 6, 6, generator=rng()).repeat_interleave(10, 2)
    array = blobs.repeat_interleave(10, 3).repeat_interleave(10, 4)[0, 0].numpy() * 900
    path = tmp_path / "t1.nii.gz"
    nibabel.save(nibabel.Nifti1Image(array.astype(np.int16), np.eye(4)), path)
    x = make_pieces(Case(path, "a", "train"), SMALL, rng())[1][:, 0]
    assert 0 <= float(x.min()) < 0.05
    assert 0.8 < float(x.max()) < 3


def test_much_dose_starts_where_reconstruction_without_noise_would(ellipses):
    y, x = (side[:2] for side in ellipses)
    loud = scanned(y, x, [1e12, 1e12], scanner=SMALL, rng=rng())
    plain = fbp(y, SMALL.geometry, SMALL.grid, window="hann")
    torch.testing.assert_close(loud.input[:, 1:], plain, rtol=0, atol=2e-3)
    assert torch.equal(loud.target, x)


def test_networks_start_from_the_image_of_least_total_variation(ellipses):
    y, x = (side[:4] for side in ellipses)
    scan = scanned(y, x, None, scanner=SMALL, rng=rng())
    least = shortest_edges(
        y, Radon(SMALL.geometry, SMALL.grid), weights=(noise_level(y) ** -2).expand_as(y),
        known=False,
    )  # fmt: skip
    torch.testing.assert_close(scan.input[:, :1], least.x)
    assert float((scan.input[:, :1] - x).square().mean()) < float(
        (scan.input[:, 1:] - x).square().mean()
    )


def test_noise_is_what_is_told_of_it(ellipses):
    y, x = (side[:1].repeat(40, 1, 1, 1) for side in ellipses)
    noisy = scanned(y, x, [2e5] * 40, scanner=SMALL, rng=rng()).rays
    clean = scanned(y, x, [1e14] * 40, scanner=SMALL, rng=rng()).rays
    met = noisy[:, 1:] > 0
    seen = ((noisy - clean)[:, :1] / noisy[:, 1:].clamp(min=1e-9))[met]
    assert float(seen.square().mean()) == pytest.approx(1, rel=0.15)
    assert abs(float(seen.mean())) < 0.05


def test_as_many_scans_are_without_noise_as_asked_for():
    rays, _ = make_pieces(ELLIPSES, HALF, rng())
    same = (rays[:, 1].flatten(1).std(1) < 1e-6).float()  # one noise for all rays: nobody counted
    assert float(same.mean()) == 0.5


def test_a_batch_depends_on_its_number_alone(tmp_path, ct):
    recipe = replace(RECIPES["primal-dual-sparse"], scanner=SMALL, variants=1)
    prepare(recipe, [ct, replace(ct, patient="other", split="validate")], tmp_path / "arrays")
    scans = recipe.batches(tmp_path / "arrays", "train", 0)
    first, again = scans.batch(5, 2), scans.batch(5, 2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.input, scans.batch(6, 2).input)
    assert first.rays.shape == (2, 2, 24, SMALL.geometry.bins)


def test_images_are_turned_with_what_they_start_from(tmp_path, ct):
    recipe = replace(RECIPES["fbpconvnet-sparse"], scanner=SILENT, variants=1)
    prepare(recipe, [ct, replace(ct, patient="other", split="validate")], tmp_path / "arrays")
    turned = Scans(tmp_path / "arrays", "train", scanner=SILENT, seed=0, turned=True)
    steady = Scans(tmp_path / "arrays", "train", scanner=SILENT, seed=0, turned=False)
    off = [
        float((turned.batch(n, 2).target - steady.batch(n, 2).target).abs().max()) for n in range(8)
    ]
    assert max(off) > 0.1
    for n in range(8):
        x = turned.batch(n, 2)
        assert float((x.input[:, :1] - x.target).abs().mean()) < 0.1


def test_networks_that_see_rays_learn_from_them(ellipses):
    torch.manual_seed(0)
    y, x = ellipses
    model = PrimalDual(dims=2, iterations=2, memory=2, width=8)
    learner = Supervised(
        model, objective=partial(unrolled, loss=decibel, scanner=SMALL), steps=40,
        descent=adam(5e-3, longest=1.0), half=False,
    )  # fmt: skip
    batches = [
        scanned(y[n : n + 4], x[n : n + 4], [2e4] * 4, scanner=SMALL, rng=rng(n))
        for n in range(0, 24, 4)
    ]
    # From filtered back-projection: there is more to gain.
    batches = [batch._replace(input=batch.input[:, 1:]) for batch in batches]
    losses = [learner.step(batches[step % 6])["loss"] for step in range(42)]
    assert np.mean(losses[-6:]) < np.mean(losses[:6]) - 1


def test_water_is_water():
    assert WATER.to_hu(np.array([WATER.water])) == pytest.approx(0)
