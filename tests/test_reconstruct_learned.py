"""Learned reconstruction: the network that fits a scan is found, and runs on any slice.

Few views get the weights for few views; any size and any number of slices go in; where water is
not known, nothing depends on the unit; consistency explains the data; other weights are refused.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medacuity.checkpoint import Card, Images, save_weights
from medacuity.errors import UsageError
from medacuity.models import FBPConvNet, PrimalDual
from medacuity.physics.dose import Attenuation, low_dose
from medacuity.physics.geometry import Geometry, Grid, fan, lodopab, parallel
from medacuity.physics.phantoms import Ellipse, Phantom
from medacuity.physics.radon import Radon
from medacuity.reconstruct import Settings, reconstruct
from medacuity.reconstruct_learned import FAMILIES, WRONG, left_out, unsaid, weights_for
from medacuity.sinograms import Sinogram

GRID = Grid((36, 44), (4.0, 4.0))
SCAN = parallel(40, bins=59, pitch=4.0)
BODY = Phantom([Ellipse(0.02, (60.0, 50.0)), Ellipse(-0.015, (15.0, 20.0), (10.0, 5.0))])


def scanned(*, slices=1, attenuation=None, scale=1.0, photons=1e5, scan=SCAN, grid=GRID):
    y = Radon(scan, grid)(BODY.image(grid)[None, None].float())
    y = low_dose(y.repeat(slices, 1, 1, 1), photons=photons, rng=torch.Generator().manual_seed(0))
    y = (scale * y[:, 0]).numpy()
    return Sinogram(y, scan, grid, np.eye(4), attenuation, photons if scale == 1 else None)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Networks that have learned nothing: what comes out is nearly total variation's image."""
    folder, images = tmp_path_factory.mktemp("weights"), Images("CT", "HU")
    networks = {
        "fbpconvnet": (FBPConvNet, {"dims": 2, "width": 4, "depth": 2, "beside": 1}),
        "primal-dual": (PrimalDual, {"dims": 2, "iterations": 3, "memory": 2, "width": 4}),
    }
    paths = {}
    for name, (network, arguments) in networks.items():
        torch.manual_seed(0)
        card = Card(
            name, network.__name__, arguments, {"kind": "fixed", "low": -1000.0, "high": 0.0},
            input=images, output=images,
        )  # fmt: skip
        paths[name] = str(folder / f"{name}.safetensors")
        save_weights(folder / f"{name}.safetensors", network(**arguments), card, half=False)
    return paths


methods = pytest.mark.parametrize("method", FAMILIES)


@pytest.mark.parametrize(
    ("scan", "grid", "kind"),
    [
        (*lodopab(), "low-dose"),
        (parallel(60, bins=513, pitch=0.7), lodopab()[1], "sparse"),
        (fan(720, bins=560, pitch=0.2, source=410.0, detector=553.0), Grid((512, 512), (0.2, 0.2)),
         "low-dose"),
        (Geometry((0.0,), 59, 4.0), GRID, "sparse"),
    ],
)  # fmt: skip
def test_few_views_get_the_weights_for_few_views(scan, grid, kind):
    assert weights_for("primal-dual", scan, grid) == f"primal-dual-{kind}"


@methods
def test_any_size_and_number_of_slices(method, weights):
    sinogram = scanned(slices=6, attenuation=Attenuation())
    volume, findings = reconstruct(sinogram, Settings(method, model=weights[method]))
    plain, _ = reconstruct(sinogram, Settings("tv"))
    assert volume.shape == (36, 44, 6)
    np.testing.assert_allclose(volume.array, plain.array, atol=5)
    assert findings["label"] == "AI-reconstructed"
    assert method in findings["method"]
    assert len(findings["method_sha256"]) == 64
    assert "Not for primary diagnosis" in findings["description"]


@methods
def test_slices_do_not_know_of_each_other(method, weights):
    sinogram = scanned(slices=6)
    alone = replace(sinogram, array=sinogram.array[5:])
    settings = Settings(method, model=weights[method])
    both, one = (reconstruct(s, settings)[0].array for s in (sinogram, alone))
    np.testing.assert_allclose(both[:, :, 5:], one, rtol=1e-4, atol=1e-7)


@methods
def test_without_water_nothing_depends_on_the_unit(method, weights):
    settings = Settings(method, model=weights[method])
    once, thrice = (
        reconstruct(replace(scanned(scale=scale), photons=None), settings)[0] for scale in (1, 3)
    )
    assert once.unit == "1/mm"
    np.testing.assert_allclose(thrice.array, 3 * once.array, rtol=2e-3, atol=3e-4)


@methods
def test_consistency_explains_the_data(method, weights):
    sinogram = scanned(attenuation=Attenuation())
    settings = Settings(method, model=weights[method])
    free, bound = (
        reconstruct(sinogram, replace(settings, consistent=consistent))[1]["batches"][0]
        for consistent in (False, True)
    )
    assert bound["residual_over_noise"][0] <= max(1.001, free["residual_over_noise"][0])
    assert bound["residual"][0] <= free["residual"][0]


def test_other_weights_and_wishes_are_refused(weights):
    with pytest.raises(UsageError, match="enhance"):
        reconstruct(scanned(), Settings("fbpconvnet", model="mri-2d-x2"))
    with pytest.raises(UsageError, match="tv has no network"):
        Settings("tv", model=weights["fbpconvnet"])
    empty = replace(scanned(), array=np.zeros_like(scanned().array), photons=None)
    with pytest.raises(UsageError, match="nothing in the scan"):
        reconstruct(empty, Settings("fbpconvnet", model=weights["fbpconvnet"]))


@pytest.mark.parametrize(("scan", "off"), [(SCAN, 0), (SCAN.select(range(20)), -50)])
def test_a_region_has_the_mean_that_was_measured(weights, monkeypatch, scan, off):
    """A network that takes 50 HU off everything cannot take them off a region that rays went
    through on all sides; from a quarter turn nobody has measured the mean of a region."""
    sinogram = scanned(attenuation=Attenuation(), scan=scan)
    steady = FBPConvNet.steady
    monkeypatch.setattr(FBPConvNet, "steady", lambda self, x: steady(self, x) - 0.05)
    settings = Settings("fbpconvnet", model=weights["fbpconvnet"])
    made, plain = (reconstruct(sinogram, s)[0].array for s in (settings, Settings("tv")))
    assert abs((made - plain)[12:24, 14:30].mean() - off) < 2


def test_what_rays_still_say_is_taken_region_by_region_and_each_slice_by_itself():
    """A thin region that is 20 HU off is put right; noise is not put in; a slice counts alone."""
    truth = torch.zeros(2, 1, 64, 64)
    truth[:, :, 28:34] = 0.7
    off = 0.02 * (truth > 0.5)
    rng = torch.Generator().manual_seed(0)
    noise = (
        torch.randn(2, 1, 64, 64, generator=rng) * torch.tensor([0.05, 1.0])[:, None, None, None]
    )
    found = unsaid(off + noise, truth)
    assert float(found[0, 0, 28:34].mean()) == pytest.approx(0.02, abs=0.005)
    assert float(found[0].std()) < 0.2 * 0.05
    assert float(found[1].std()) < 0.05  # four times as wide
    torch.testing.assert_close(found[:1], unsaid((off + noise)[:1], truth[:1]))


def test_what_was_left_out_of_clean_rays_comes_back_and_noise_does_not():
    """A detail of 10 HU that a network left out; and rays of noise alone, which may not do more
    than half of what networks are expected to be wrong by, however loud they are."""
    few = parallel(12, bins=59, pitch=4.0)
    operator = Radon(few, GRID)
    truth = 50 * BODY.image(GRID)[None, None].float()
    lacking = truth.clone()
    lacking[..., 8:16, 18:26] -= 0.01
    found = lacking + left_out(operator(truth), operator, lacking)
    assert float((found - truth).norm()) < 0.7 * float((lacking - truth).norm())
    rng = torch.Generator().manual_seed(0)
    for loud in (0.1, 1.0, 30.0):
        noise = loud * torch.randn(2, 1, few.views, few.bins, generator=rng)
        made = left_out(operator(truth) + noise, operator, truth.repeat(2, 1, 1, 1))
        assert float(made.square().mean((1, 2, 3)).sqrt().max()) <= 0.5 * WRONG + 1e-6
