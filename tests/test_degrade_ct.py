"""Scanning a volume: what it would have measured, with the patient where he was.

- Without noise and with many views, filtered back-projection gives the volume back, in HU and in
  its place, on oblique grids and whatever axis the slices lie along.
- Noise follows from the photons and the seed; the geometry is as asked for.
- What is no CT, or no scanner, is refused.
"""

import numpy as np
import pytest

from medacuity.degrade_ct import KINDS, Scan, across_the_body, scan_ct, scan_source
from medacuity.errors import UnsafeGeometry, UsageError
from medacuity.formats import Source
from medacuity.reconstruct import Settings, reconstruct
from medacuity.volume import Volume


def rotated(*columns):
    """An oblique affine whose columns are scaled as given."""
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)) + 3 * np.eye(3))[0]
    turn *= np.sign(np.diag(turn))
    affine = np.eye(4)
    affine[:3, :3] = turn * columns
    affine[:3, 3] = [-31.0, 12.0, 100.0]
    return affine


AFFINE = rotated(2.0, 1.5, 4.0)


def places(volume):
    index = np.stack(np.meshgrid(*map(np.arange, volume.shape), indexing="ij"), -1)
    return index @ volume.affine[:3, :3].T + volume.affine[:3, 3]


PLACE = np.array([4.3, -6.2, 0.0])  # voxels from the middle


def middle(volume):
    return volume.affine[:3, :3] @ ((np.array(volume.shape) - 1) / 2) + volume.affine[:3, 3]


def from_middle(volume, offset=(0.0, 0.0, 0.0)):
    return np.linalg.norm(places(volume) - middle(volume) - offset, axis=-1)


def body():
    """Air, a soft body of 32 mm with an edge that does not ring."""
    volume = Volume(np.zeros((44, 60, 3), np.float32), AFFINE)
    edge = np.clip((33 - from_middle(volume)) / 6, 0, 1)
    return volume.with_array((1040 * edge - 1000).astype(np.float32))


def blob():
    """Air, and in it a blob, sigma 5 mm, at a place in mm."""
    volume = body()
    far = from_middle(volume, AFFINE[:3, :3] @ PLACE)
    return volume.with_array((1300 * np.exp(-(far**2) / 50) - 1000).astype(np.float32))


def centre(volume):
    """The blob's centre in mm."""
    near = from_middle(volume, AFFINE[:3, :3] @ PLACE) < 18
    weights = (volume.array + 1000.0) * near
    return (places(volume) * weights[..., None]).sum((0, 1, 2)) / weights.sum()


FANS = pytest.mark.parametrize("fan", [{}, {"source": 300.0, "detector": 600.0}])


@FANS
def test_the_volume_comes_back_in_hounsfield_units(fan):
    volume = body()
    found, _ = reconstruct(scan_ct(volume, Scan("ct-sparse", views=180, **fan)), Settings())
    assert found.unit == "HU"
    inner = from_middle(volume) < 24
    assert np.abs((found.array - volume.array)[inner].mean()) < 2
    assert (found.array - volume.array)[inner].std() < 15


@FANS
@pytest.mark.parametrize("spacing", [None, 1.0])
def test_the_patient_stays_still(fan, spacing):
    volume = blob()
    sinogram = scan_ct(volume, Scan("ct-sparse", views=180, **fan))
    found, _ = reconstruct(sinogram, Settings(spacing=spacing))
    assert np.abs(centre(found) - centre(volume)).max() < 0.01 * 1.5
    if spacing is None:
        np.testing.assert_allclose(found.affine, volume.affine, atol=1e-9)
    else:
        assert found.spacing == pytest.approx((1.0, 1.0, 4.0))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_are_those_across_the_body(axis):
    volume = blob()
    order = [0, 1]
    order.insert(axis, 2)
    moved = Volume(
        np.transpose(volume.array, order), volume.affine[:, [*order, 3]], volume.unit
    )  # fmt: skip
    slices, grid, _ = across_the_body(moved)
    assert np.array_equal(slices, np.moveaxis(volume.array, 2, 0))
    assert grid.shape == (44, 60)
    assert grid.spacing == pytest.approx((2.0, 1.5))
    found, _ = reconstruct(scan_ct(moved, Scan("ct-sparse", views=90)), Settings())
    assert np.abs(centre(found) - centre(volume)).max() < 0.01 * 1.5


def test_the_seed_decides_the_noise():
    volume = body()
    a, b, c = (
        scan_ct(volume, Scan("ct-low-dose", views=20, photons=500, seed=s)).array for s in (1, 1, 2)
    )
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_the_noise_is_that_of_the_photons():
    volume = body()
    clean = scan_ct(volume, Scan("ct-sparse", views=60)).array
    noisy = scan_ct(volume, Scan("ct-low-dose", views=60, photons=1000, electronic=5))
    counts = 1000 * np.exp(-clean)
    z = (noisy.array - clean) / np.sqrt((1 + 25 / counts) / counts)
    assert abs(z.std() - 1) < 0.05
    assert noisy.photons == 1000


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_views_and_its_detector_sees_every_corner(kind):
    volume = body()
    grid = across_the_body(volume)[1]
    scan = Scan(kind).geometry(grid)
    assert scan.views == KINDS[kind][0]
    assert scan.radius >= grid.reach - scan.pitch
    assert scan.pitch == pytest.approx(1.5)
    fan = Scan(kind, source=300, detector=500).geometry(grid)
    assert fan.radius >= grid.reach - 1.5
    assert fan.pitch / fan.magnification == pytest.approx(1.5)


def test_a_limited_angle_scan():
    scan = Scan("ct-sparse", views=90, span_deg=90).geometry(across_the_body(body())[1])
    assert scan.angles_deg[-1] == pytest.approx(89)


def test_lodopabs_detector_is_found_from_its_pixels():
    volume = Volume(np.full((362, 362, 1), -1000.0), np.diag([260 / 362, 260 / 362, 1.0, 1.0]))
    scan = Scan("ct-low-dose").geometry(across_the_body(volume)[1])
    assert (scan.views, scan.bins) == (1000, 513)


def test_it_is_written_how_it_was_made():
    volume = body()
    source = Source(None, (volume,), None, "")
    _, record = scan_source(source, Scan("ct-low-dose", views=7, photons=300, seed=4))
    assert "7 views" in record["description"]
    assert "300 photons" in record["description"]
    assert record["options"]["seed"] == 4
    with pytest.raises(UsageError, match="has 2"):
        scan_source(Source(None, (volume, volume), None, ""), Scan("ct-sparse"))


def test_progress_is_told():
    told = []
    scan_ct(body(), Scan("ct-sparse", views=3), report=lambda *what: told.append(what))
    assert told == [("scanning", 3, 3)]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": "ct"}, "ct-sparse"),
        ({"views": 0}, "views"),
        ({"photons": -1.0}, "photons"),
        ({"electronic": 3.0}, "give both"),
        ({"span_deg": 400.0}, "span"),
        ({"source": 300.0}, "both"),
        ({"source": 30.0, "detector": 500.0}, "corners"),
        ({"source": 300.0, "detector": 200.0}, "corners"),
    ],
)
def test_no_such_scan(wrong, says):
    with pytest.raises(UsageError, match=says):
        scan_ct(body(), Scan(**{"kind": "ct-sparse", **wrong}))


def test_what_is_no_ct_is_refused():
    with pytest.raises(UsageError, match="HU"):
        scan_ct(Volume(np.ones((8, 8, 2)), np.eye(4)), Scan("ct-sparse"))


def test_a_sheared_slice_is_refused():
    affine = np.eye(4)
    affine[0, 1] = 0.2
    with pytest.raises(UnsafeGeometry, match="right angles"):
        scan_ct(Volume(np.full((8, 8, 2), -1000.0), affine), Scan("ct-sparse"))


def test_a_tilted_gantry_is_none_of_that():
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    affine[1, 2] = 0.8  # slices are shifted against each other
    volume = Volume(np.full((8, 8, 2), -1000.0), affine)
    found, _ = reconstruct(scan_ct(volume, Scan("ct-sparse", views=9)), Settings())
    np.testing.assert_allclose(found.affine, affine, atol=1e-12)
