"""Reconstructing: every method gives HU, findings say how well, and settings are checked."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medacuity.cli import main
from medacuity.errors import SafetyGate, UsageError
from medacuity.formats import read
from medacuity.physics.dose import Attenuation, low_dose
from medacuity.physics.geometry import Grid, parallel
from medacuity.physics.phantoms import Ellipse, Phantom
from medacuity.physics.radon import Radon
from medacuity.reconstruct import METHODS, Settings, reconstruct, room_for
from medacuity.reconstruct_findings import in_words
from medacuity.reconstruct_learned import FAMILIES
from medacuity.sinograms import Sinogram

GRID = Grid((40, 40), (4.0, 4.0))
SCAN = parallel(60, bins=59, pitch=4.0)
WATER = Phantom([Ellipse(0.02, (60.0, 50.0))])


def scanned(*, slices=2, photons=None, attenuation=None, scan=SCAN):
    y = Radon(scan, GRID)(WATER.image(GRID)[None, None].float())
    y = y.repeat(slices, 1, 1, 1)
    if photons is not None:
        y = low_dose(y, photons=photons, rng=torch.Generator().manual_seed(0))
    return Sinogram(y[:, 0].numpy(), scan, GRID, np.eye(4), attenuation, photons)


def inside(radius=40):
    u, v = GRID.places()
    return np.hypot(u[:, None], v) < radius


@pytest.mark.parametrize("method", METHODS)
def test_water_has_no_hounsfield_units(method):
    sinogram = scanned(photons=1e5, attenuation=Attenuation())
    volume, findings = reconstruct(sinogram, Settings(method))
    assert volume.unit == findings["unit"] == "HU"
    assert volume.shape == (40, 40, 2)
    assert volume.array.dtype == np.float32
    # Networks learned on pixels of 0.7 mm; what must hold for them is the 5 HU of their task.
    assert abs(volume.array[inside()].mean()) < (5 if method in FAMILIES else 3)
    assert volume.array[~inside(70)].mean() < -950
    assert max(findings["batches"][0]["residual"]) < 0.03


@pytest.mark.parametrize("method", METHODS)
def test_progress_is_told_to_its_end(method):
    told = []
    reconstruct(scanned(slices=3), Settings(method), report=lambda *what: told.append(what))
    assert told[-1][1] == told[-1][2]
    assert all(0 <= done <= of for _, done, of in told)
    assert {what.split(" (")[0] for what, *_ in told} == {"reconstructing"}


def test_without_water_it_is_attenuation():
    volume, findings = reconstruct(scanned(), Settings())
    assert volume.unit == "1/mm"
    assert volume.array[inside()].mean() == pytest.approx(0.02, rel=0.01)
    assert any("--mu-water" in line for line in in_words(findings))
    other, _ = reconstruct(scanned(), Settings(water=0.02))
    assert other.unit == "HU"
    assert abs(other.array[inside()].mean()) < 5


def test_what_no_view_sees_is_nothing():
    narrow = parallel(60, bins=21, pitch=4.0)
    volume, findings = reconstruct(scanned(scan=narrow), Settings())
    assert (volume.array[~inside(45)] == 0).all()
    assert findings["outside_the_scan"] > 0.5
    assert any("outside" in line for line in in_words(findings))


@pytest.mark.parametrize(
    ("asked", "shape", "spacing"),
    [
        ({}, (40, 40), 4.0),
        ({"spacing": 2.0}, (80, 80), 2.0),
        ({"size": 20}, (20, 20), 8.0),
        ({"size": 30, "spacing": 1.0}, (30, 30), 1.0),
    ],
)
def test_pixels_are_those_asked_for(asked, shape, spacing):
    volume, _ = reconstruct(scanned(), Settings(**asked))
    assert volume.shape[:2] == shape == room_for(scanned(), Settings(**asked)).shape[:2]
    assert volume.spacing[:2] == pytest.approx((spacing, spacing))
    corners = volume.affine @ np.array([[-0.5, -0.5, 0, 1], [*np.subtract(shape, 0.5), 0, 1]]).T
    np.testing.assert_allclose(corners[:2].mean(1), 0, atol=1e-9)


def test_few_pixels_are_no_noisier_than_many_averaged():
    sinogram = scanned(photons=3000.0, attenuation=Attenuation())
    few, many = (reconstruct(sinogram, Settings(size=n))[0].array[..., 0] for n in (10, 40))
    averaged = many.reshape(10, 4, 10, 4).mean((1, 3))
    middle = slice(4, 6), slice(4, 6)
    assert np.abs(few[middle]).mean() < 1.5 * np.abs(averaged[middle]).mean() + 5


def test_tv_leaves_less_noise_than_fbp():
    sinogram = scanned(photons=3000.0, attenuation=Attenuation())
    fbp, tv = (reconstruct(sinogram, Settings(m))[0].array[inside()].std() for m in ("fbp", "tv"))
    assert tv < 0.3 * fbp


def test_numbers_beyond_all_bounds_are_held_back():
    sinogram = scanned()
    sinogram.array[:] = 3e38
    with pytest.raises(SafetyGate):
        reconstruct(sinogram, Settings())


def test_a_detector_that_stands_aside_sees_its_far_side():
    scan = replace(parallel(180, bins=32, pitch=4.0, span_deg=360.0), shift=50.0)
    volume, findings = reconstruct(
        scanned(scan=scan, attenuation=Attenuation()), Settings(window="hann")
    )
    assert abs(volume.array[inside(45)].mean()) < 3
    assert findings["outside_the_scan"] < 0.05
    assert findings["doubts"] == []


@pytest.mark.parametrize("method", ["tv", "fbpconvnet"])
def test_a_slice_of_nothing_beside_others_stays_empty(method):
    sinogram = scanned(attenuation=Attenuation())
    sinogram.array[0] = 0
    volume, findings = reconstruct(sinogram, Settings(method))
    assert abs(volume.array[..., 0] + 1001).max() < 1
    assert max(findings["batches"][0]["residual"]) < 0.1


def test_the_detectors_own_noise_counts():
    y = Radon(SCAN, GRID)(WATER.image(GRID)[None, None].float())
    noisy = low_dose(
        y, photons=400.0, electronic=12.0, rng=torch.Generator().manual_seed(0)
    )[:, 0].numpy()  # fmt: skip
    known = Sinogram(noisy, SCAN, GRID, np.eye(4), Attenuation(), 400.0, 12.0)
    errors = [
        np.abs(reconstruct(scan, Settings("tv"))[0].array[inside()]).mean()
        for scan in (known, replace(known, electronic=0.0))
    ]
    assert errors[0] < errors[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: replace(s, array=-s.array), "turn their sign"),
        (lambda s: replace(s, array=100 * s.array), "no photon"),
        (lambda s: replace(s, geometry=replace(
            SCAN, angles_deg=tuple(np.deg2rad(SCAN.angles_deg)))), "not radians"),
        (lambda s: scanned(scan=parallel(60, bins=21, pitch=4.0)), "beyond the detector"),
    ],
)  # fmt: skip
def test_what_looks_like_another_scan_is_done_with_a_warning(change, says):
    assert reconstruct(scanned(), Settings())[1]["doubts"] == []
    found = reconstruct(change(scanned()), Settings())[1]
    assert any(line.startswith("warning: ") and says in line for line in in_words(found))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"method": "magic"}, "fbp"),
        ({"window": "ham"}, "hamming"),
        ({"cutoff": 2.0}, "cutoff"),
        ({"size": 0}, "size"),
        ({"spacing": -1.0}, "spacing"),
        ({"water": 0.0}, "air < water"),
        ({"device": "tpu"}, "device"),
        ({"method": "sirt", "steps": 0}, "steps"),
        ({"method": "tv", "strength": 0.0}, "strength"),
        ({"method": "cgls", "tolerance": 1.0}, "tolerance"),
    ],
)
def test_settings_that_make_no_sense(wrong, says):
    with pytest.raises(UsageError, match=says):
        reconstruct(scanned(), Settings(**wrong))


def test_from_the_command_line(tmp_path, capsys):
    from medacuity.formats import write
    from medacuity.formats.source import Source
    from medacuity.volume import Volume

    hu = np.where(inside(60), 0, -1000).astype(np.int16)[..., None].repeat(2, 2)
    affine = np.diag([4.0, 4.0, 5.0, 1.0])
    volume = Volume(hu, affine)
    write(tmp_path / "ct.nii", [volume], like=Source(tmp_path / "x", (volume,), None, ""))
    ct, scan, out = (str(tmp_path / name) for name in ("ct.nii", "scan.h5", "out.nii.gz"))
    assert main(["degrade", "ct-low-dose", ct, "-o", scan, "--views", "90"]) == 0
    assert main(["reconstruct", scan, "-o", out, "--filter", "hann", "--report"]) == 0
    captured = capsys.readouterr()
    assert '"stopped": "direct"' in captured.out
    assert "90 views" in captured.err
    found = read(out).volumes[0]
    np.testing.assert_allclose(found.affine, affine, atol=1e-5)
    assert abs(found.array[inside(40)].mean()) < 10
    assert (tmp_path / "out.json").exists()
    assert main(["reconstruct", scan, "-o", scan]) == 2
    assert main(["reconstruct", ct, "-o", out]) == 3
    assert main(["degrade", "ct-sparse", ct, "-o", scan, "--factor", "2"]) == 2
    assert main(["degrade", "block-mean", ct, "-o", out, "--views", "2"]) == 2
    assert main(["degrade", "ct-sparse", ct, "-o", scan, "--fan", "541"]) == 2
    assert main(["degrade", "ct-sparse", ct, "-o", scan, "--fan", "541x949"]) == 0
    assert main(["degrade", "block-mean", ct, "-o", out]) == 0


@pytest.mark.parametrize(
    ("views", "says"), [(range(2), "2 views"), (range(20), "123 degrees"), (range(60), None)]
)
def test_a_network_says_where_it_has_nothing_to_go_by(views, says):
    sinogram = scanned(slices=1, scan=SCAN.select(views))
    for method in ("tv", "fbpconvnet"):
        doubts = reconstruct(sinogram, Settings(method))[1]["doubts"]
        if says is None or method == "tv":
            assert doubts == []
        else:
            assert says in doubts[0]
