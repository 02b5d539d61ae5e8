"""Sinogram files: what is written comes back, what is wrong is named, nothing leads outside.

HDF5 carries the geometry and the place in the patient to the last bit; ``.npz`` needs three
names; the challenge's ``.mat`` gives the geometry that its authors state.
"""

import json
import math
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from medacuity import sinograms
from medacuity.errors import (
    LimitExceeded,
    MalformedInput,
    StorageError,
    UnsafeGeometry,
    UsageError,
)
from medacuity.formats import Source
from medacuity.physics.dose import Attenuation
from medacuity.physics.geometry import Geometry, Grid
from medacuity.sinograms import Sinogram

FAN = Geometry((3.0, 17.5, 200.0), 7, 1.1, shift=0.3, source=300.0, detector=500.0, curved=True)
PARALLEL = Geometry((0.0, 90.0), 7, 1.1)


def made(geometry=FAN, **more):
    rng = np.random.default_rng(0)
    frame = np.eye(4)
    frame[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0] * [1, 1, 2.5]
    frame[:3, 3] = [10, -20, 30]
    array = rng.random((2, geometry.views, geometry.bins)).astype(np.float32)
    return Sinogram(array, geometry, Grid((5, 6), (1.5, 1.25), (2.0, -1.0)), frame, **more)


def save(folder, sinogram, name="s.h5"):
    like = Source(Path("scan.nii"), (), None, "0" * 64)
    sinograms.write(folder / name, sinogram, like=like, provenance={"method": "x"})
    return folder / name


def check_same(a, b):
    """Compare two sinograms, to the last bit."""
    assert np.array_equal(a.array, b.array)
    assert a.array.dtype == b.array.dtype == np.float32
    assert np.array_equal(a.frame, b.frame)
    assert (a.geometry, a.grid, a.attenuation, a.photons, a.electronic) == (
        b.geometry, b.grid, b.attenuation, b.photons, b.electronic,
    )  # fmt: skip


@pytest.mark.parametrize("geometry", [FAN, PARALLEL])
@pytest.mark.parametrize(
    "more", [{}, {"attenuation": Attenuation(0.019, 1e-5), "photons": 5e3, "electronic": 7.0}]
)
def test_what_is_written_comes_back(tmp_path, geometry, more):
    sinogram = made(geometry, **more)
    check_same(sinograms.read(save(tmp_path, sinogram)), sinogram)


def test_a_sidecar_says_how_it_was_made(tmp_path):
    save(tmp_path, made())
    assert json.loads((tmp_path / "s.json").read_text())["method"] == "x"


def test_pixels_have_their_place_in_the_patient():
    sinogram = made()
    volume = sinogram.place(np.zeros((2, 5, 6), np.float32), sinogram.grid)
    u, v = sinogram.grid.places()
    np.testing.assert_allclose(
        volume.affine @ [3, 4, 1, 1], sinogram.frame @ [u[3], v[4], 1, 1], atol=1e-12
    )
    assert volume.shape == (5, 6, 2)


def test_the_axis_stays_where_it_is_on_other_pixels():
    sinogram = made()
    fine = Grid((50, 60), (0.15, 0.125), (2.0, -1.0))
    one, other = (
        sinogram.place(np.zeros((2, *grid.shape), np.float32), grid)
        for grid in (sinogram.grid, fine)
    )
    edges = [volume.affine @ [-0.5, -0.5, 0, 1] for volume in (one, other)]
    np.testing.assert_allclose(edges[0], edges[1], atol=1e-12)


def write_npz(path, **fields):
    base = {"sinogram": np.ones((2, 7)), "angles_deg": [0.0, 90.0], "pitch_mm": 1.1}
    np.savez(path, **{k: v for k, v in (base | fields).items() if v is not None})
    return path


def test_three_names_are_enough(tmp_path):
    found = sinograms.read(write_npz(tmp_path / "s.npz"))
    assert found.geometry == PARALLEL
    assert found.grid == Grid((6, 6), (1.1, 1.1))
    assert found.array.shape == (1, 2, 7)
    assert found.attenuation is None


def test_all_names_are_understood(tmp_path):
    found = sinograms.read(write_npz(
        tmp_path / "s.npz", sinogram=np.ones((3, 2, 7)), shift_mm=0.4, source_mm=300,
        detector_mm=500, curved=True, mu_water_per_mm=0.02, photons=4096, grid_shape=(4, 5),
        grid_spacing_mm=(1.0, 2.0), grid_centre_mm=(0.5, 0.0),
    ))  # fmt: skip
    assert found.geometry == Geometry(
        (0.0, 90.0), 7, 1.1, shift=0.4, source=300.0, detector=500.0, curved=True
    )
    assert found.grid == Grid((4, 5), (1.0, 2.0), (0.5, 0.0))
    assert found.attenuation == Attenuation(0.02, 2e-5)
    assert found.photons == 4096


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"pitch_mm": None}, MalformedInput, "pitch_mm"),
        ({"angles_deg": [0.0]}, UnsafeGeometry, "1 angles"),
        ({"angles_deg": [0.0, math.nan]}, UnsafeGeometry, "finite"),
        ({"pitch_mm": -1}, UnsafeGeometry, "pitch"),
        ({"pitch_mm": [1, 2]}, UnsafeGeometry, "pitch_mm must be one number"),
        ({"source_mm": 300}, UnsafeGeometry, "detector"),
        ({"frame": np.zeros((4, 4))}, UnsafeGeometry, "spacing"),
        ({"mu_water_per_mm": -1}, UnsafeGeometry, "water"),
        ({"grid_shape": (0, 4), "grid_spacing_mm": (1, 1)}, UnsafeGeometry, "pixel"),
        ({"grid_shape": (4,), "grid_spacing_mm": (1, 1)}, UnsafeGeometry, "grid_shape must be 2"),
        ({"grid_shape": (4.5, 4), "grid_spacing_mm": (1, 1)}, UnsafeGeometry, "whole"),
        ({"frame": np.eye(3)}, UnsafeGeometry, "frame must be 16"),
        ({"pitch_mm": "wide"}, UnsafeGeometry, "pitch_mm must be one number"),
        ({"shift_mm": 50.0}, UnsafeGeometry, "does not see the axis"),
        ({"photons": -4096}, UnsafeGeometry, "photons"),
        ({"photons": math.nan}, UnsafeGeometry, "photons"),
        ({"sinogram": np.full((2, 7), np.nan)}, MalformedInput, "finite"),
        ({"sinogram": np.ones(7)}, MalformedInput, "views, bins"),
        ({"sinogram": np.ones((2, 7), complex)}, MalformedInput, "numbers"),
        ({"sinogram": np.ones((0, 7))}, MalformedInput, "numbers"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, wrong, error, says):
    path = write_npz(tmp_path / "s.npz", **wrong)
    with pytest.raises(error, match=says) as caught:
        sinograms.read(path)
    assert caught.value.path == path


def test_objects_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "s.npz", sinogram=np.array([{}], dtype=object), angles_deg=0, pitch_mm=1)
    with pytest.raises(MalformedInput):
        sinograms.read(tmp_path / "s.npz")


def test_hdf5_never_leads_outside(tmp_path):
    other = save(tmp_path, made(), "other.h5")
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["sinogram"] = h5py.ExternalLink(other.name, "sinogram")
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file.create_dataset("sinogram", (2, 7), "f4", external=[(str(other), 0, 56)])
    layout = h5py.VirtualLayout((2, 2, 7), "f4")
    layout[:] = h5py.VirtualSource(str(other), "sinogram", (2, 2, 7))
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("sinogram", layout)
    for name in ("link", "raw", "virtual"):
        with pytest.raises(MalformedInput, match="inside the file"):
            sinograms.read(tmp_path / f"{name}.h5")


def test_a_bomb_is_not_opened(tmp_path):
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.create_dataset("sinogram", (10**5, 10**4, 10**3), "f4", chunks=(1, 100, 1000))
    with pytest.raises(LimitExceeded):
        sinograms.read(tmp_path / "bomb.h5")
    with h5py.File(tmp_path / "zeros.h5", "w") as file:
        file.create_dataset("sinogram", (1000, 1000, 100), "f4", chunks=(10, 1000, 100))
    with pytest.raises(LimitExceeded, match="600 to 1"):
        sinograms.read(tmp_path / "zeros.h5")


@pytest.mark.parametrize("cut", [10, 1000, -200])
def test_a_torn_file_is_malformed(tmp_path, cut):
    path = save(tmp_path, made())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(MalformedInput):
        sinograms.read(path)


def test_a_newer_file_is_refused(tmp_path):
    path = save(tmp_path, made())
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 2
    with pytest.raises(MalformedInput, match="newer"):
        sinograms.read(path)


def test_missing_and_strange_files(tmp_path):
    with pytest.raises(StorageError):
        sinograms.read(tmp_path / "no.h5")
    (tmp_path / "s.txt").write_text("")
    with pytest.raises(MalformedInput, match=r"\.npz"):
        sinograms.read(tmp_path / "s.txt")


def test_only_hdf5_is_written(tmp_path):
    with pytest.raises(UsageError, match=r"\*\.h5"):
        save(tmp_path, made(), "s.npz")
    assert not list(tmp_path.iterdir())


def challenge(path, **more):
    parameters = {
        "distanceSourceOrigin": 41.066, "distanceSourceDetector": 55.374, "distanceUnit": "cm",
        "angles": np.array([10.0, 10.5]), "pixelSize": 0.005, "binningPost": 4,
    }  # fmt: skip
    struct = {"type": "2D", "sinogram": np.ones((2, 7)), "parameters": parameters | more}
    scipy.io.savemat(path, {"CtDataFull": struct})
    return path


def test_a_challenge_file_in_centimetres(tmp_path):
    geometry = sinograms.read(challenge(tmp_path / "s.mat")).geometry
    assert geometry.angles_deg == (-10.0, -10.5)
    assert (geometry.pitch, geometry.source, geometry.detector) == pytest.approx(
        (0.2, 410.66, 553.74)
    )


def test_a_challenge_file_of_one_view(tmp_path):
    path = challenge(tmp_path / "s.mat", angles=10.0)
    whole = scipy.io.loadmat(path, simplify_cells=True)["CtDataFull"]
    scipy.io.savemat(path, {"CtDataFull": whole | {"sinogram": np.ones((1, 7))}})
    assert sinograms.read(path).array.shape == (1, 1, 7)


def test_other_mat_files_are_refused(tmp_path):
    scipy.io.savemat(tmp_path / "s.mat", {"x": 1})
    with pytest.raises(MalformedInput, match="struct"):
        sinograms.read(tmp_path / "s.mat")
    (tmp_path / "t.mat").write_bytes(b"MATLAB 7.3 MAT-file" + bytes(500))
    with pytest.raises(MalformedInput, match="-v7"):
        sinograms.read(tmp_path / "t.mat")
    for wrong in (
        {"distanceUnit": "inch"},
        {"pixelSizePost": "wide"},
        {"angles": "all"},
        {"distanceSourceOrigin": -1.0},
        {"distanceSourceDetector": [1.0, 2.0]},
    ):
        with pytest.raises(MalformedInput, match="distanceUnit"):
            sinograms.read(challenge(tmp_path / "u.mat", **wrong))


def test_the_real_ones(data):
    folder = data / "bulk" / "ct" / "htc2022"
    mat = sinograms.read(folder / "original_tb_subsample_90.mat")
    npz = sinograms.read(folder / "tb.npz")
    assert mat.geometry.bins == 560
    assert (mat.geometry.source, mat.geometry.detector) == (410.66, 553.74)
    assert mat.grid == npz.grid
    views = [npz.geometry.angles_deg.index(angle) for angle in mat.geometry.angles_deg]
    assert np.array_equal(mat.array, npz.array[:, views])
