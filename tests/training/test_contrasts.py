"""Two contrasts of a patient become pairs on one grid, by names or by a table.

- Files alike but for the contrast belong together; a patient is on one side of the split.
- Whatever the axes, spacing and matrix of the two scans, what is at one place in the patient is
  at one place in the pair; each contrast has the unit range by itself.
- Scans that hardly overlap are refused; where one reaches further, both are cut, with a warning.
- Tables are read as spreadsheets save them; rows with an empty cell are counted aloud.
- Folders of two contrasts, of other people, are split each by itself and never paired.
- Hidden pairing: both sides are drawn apart, from the same slices.
"""

import nibabel as nib
import numpy as np
import pytest
import torch

from medacuity.errors import MalformedInput, StorageError, UnsafeGeometry, UsageError
from medacuity.intensity import Percentile
from medacuity.training.cases import Case
from medacuity.training.contrasts import Contrasts, find_contrasts, make_contrasts
from medacuity.training.pairs import Pairs, Unmatched
from medacuity.training.prepare import prepare
from medacuity.training.recipes import RECIPES

T1_T2 = Contrasts("T1", "T2")


def save(path, array, affine) -> None:
    """Write a scan."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)


def blobs(shape, affine, *, negative: bool = False) -> np.ndarray:
    """Return a head with a bright spot at (12, -6, 9) mm, or one with a dark spot there."""
    voxels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    world = voxels @ affine[:3, :3].T + affine[:3, 3]
    head = (np.square(world / [38, 44, 40]).sum(-1) < 1) * 400.0
    spot = np.exp(-np.square(world - [12, -6, 9]).sum(-1) / (2 * 4.0**2))
    return (head * (1 - 0.8 * spot) if negative else head + 900 * spot).astype(np.int16)


def centred(spacing, shape, order=(0, 1, 2), signs=(1, 1, 1)) -> np.ndarray:
    """Return an affine whose middle voxel is at the origin."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (world, sign) in enumerate(zip(order, signs, strict=True)):
        affine[world, axis] = sign * spacing[axis]
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


@pytest.fixture
def two(tmp_path) -> Case:
    """Return a patient whose T2 has other axes, another spacing and another matrix."""
    shape = (96, 104, 96)
    affine = centred((1.0, 1.0, 1.0), shape)
    save(tmp_path / "p1_T1.nii.gz", blobs(shape, affine), affine)
    other = (60, 120, 140)
    turned = centred((1.6, 0.8, 0.7), other, order=(2, 0, 1), signs=(1, -1, -1))
    save(tmp_path / "p1_T2.nii.gz", blobs(other, turned, negative=True), turned)
    return Case(tmp_path / "p1_T1.nii.gz", "p1", "train", target=tmp_path / "p1_T2.nii.gz")


@pytest.mark.parametrize("dims", [2, 3])
def test_what_is_at_one_place_in_the_patient_is_at_one_place_in_the_pair(two, dims):
    a, b = make_contrasts(two, contrasts=T1_T2, intensity=Percentile(), dims=dims)
    assert a.shape == b.shape
    assert a.ndim == dims + 2
    assert float(a.quantile(0.999)) == pytest.approx(1, abs=0.25)
    if dims == 3:
        bright = np.unravel_index(int(a.argmax()), a.shape)
        around = torch.median(b[a > 0.3])
        assert b[bright] < 0.4 * around
        assert float(b[a < 0.05].mean()) < 0.05 * around


def test_thick_slices_are_looked_at_as_acquired(tmp_path):
    shape = (90, 100, 24)
    affine = centred((1.0, 1.0, 4.0), shape)
    for name in ("T1", "T2"):
        save(tmp_path / f"p_{name}.nii", blobs(shape, affine), affine)
    case = Case(tmp_path / "p_T1.nii", "p", "train", target=tmp_path / "p_T2.nii")
    a, _ = make_contrasts(case, contrasts=T1_T2, intensity=Percentile(), dims=2)
    assert 10 < len(a) <= 24


def with_target(case: Case, path, *, low: int = 0, away: float = 0.0) -> Case:
    """Return a patient whose T2 is a copy of the T1 from a slice on, perhaps moved away."""
    scan = nib.load(case.path)
    affine = scan.affine.copy()
    affine[:3, 3] += low * affine[:3, 2] + away
    save(path, np.asarray(scan.dataobj)[:, :, low:], affine)
    return Case(case.path, "p1", "train", target=path)


def test_scans_that_hardly_overlap_are_refused(two, tmp_path):
    for changes in ({"away": 500.0}, {"low": 70}):
        case = with_target(two, tmp_path / "far.nii.gz", **changes)
        with pytest.raises(UnsafeGeometry, match=r"inside .*far\.nii\.gz: register them") as said:
            make_contrasts(case, contrasts=T1_T2, intensity=Percentile(), dims=2)
        assert said.value.path == two.path


@pytest.mark.parametrize("dims", [2, 3])
def test_what_the_second_scan_does_not_cover_is_cut_off(two, tmp_path, dims):
    whole = with_target(two, tmp_path / "whole.nii.gz")
    half = with_target(two, tmp_path / "half.nii.gz", low=48)
    settings = {"contrasts": T1_T2, "intensity": Percentile(), "dims": dims}
    a, b = make_contrasts(whole, **settings)
    with pytest.warns(UserWarning, match=r"5\d% of what it shows lies inside .*half"):
        upper, covered = make_contrasts(half, **settings)
    axis = 0 if dims == 2 else 4
    assert upper.shape == covered.shape
    assert upper.shape[axis] < 0.65 * a.shape[axis]
    np.testing.assert_allclose(upper, covered, atol=0.1)  # a copy: no zeros in one alone
    np.testing.assert_allclose(a, b, atol=0.01)


def test_files_alike_but_for_the_contrast_belong_together(tmp_path):
    for name in ("a/x_T1w.nii.gz", "a/x_T2w.nii.gz", "b/x_T1w.nii.gz", "c_T10.nii", "c_T2.nii"):
        save(tmp_path / name, np.ones((4, 4, 4), np.int16), np.eye(4))
    (case,) = find_contrasts(tmp_path, None, T1_T2)
    assert case.path == tmp_path / "a/x_T1w.nii.gz"
    assert case.target == tmp_path / "a/x_T2w.nii.gz"
    assert case.patient == "a"


def test_a_table_names_them(tmp_path):
    for name in ("one.nii", "two.nii"):
        save(tmp_path / name, np.ones((4, 4, 4), np.int16), np.eye(4))
    table = tmp_path / "cases.csv"
    table.write_text(
        "patient,split,licence,T1,T2\np,train,CC0,one.nii,two.nii\nq,train,CC0,one.nii,\n"
    )
    with pytest.warns(UserWarning, match="1 of 2 rows left out: no T2"):
        (case,) = find_contrasts(tmp_path, table, T1_T2)
    assert (case.patient, case.split, case.licence) == ("p", "train", "CC0")
    assert case.target == tmp_path / "two.nii"


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffpatient,T1,T2\r\np,one.nii,two.nii\r\n",
        '\ufeff"patient","T1","T2"\n"p","one.nii","two.nii"\n',
        " patient , T1, T2\np , one.nii, two.nii \n",
        "patient,T1,T2,,\np,one.nii,two.nii,,\n,,,,\n",
        "patient,T1,T2\np,one.nii,two.nii,,\n\n",
    ],
)
def test_tables_are_read_as_spreadsheets_save_them(tmp_path, text):
    for name in ("one.nii", "two.nii"):
        save(tmp_path / name, np.ones((4, 4, 4), np.int16), np.eye(4))
    (tmp_path / "pairs.csv").write_text(text, encoding="utf-8")
    (case,) = find_contrasts(tmp_path, tmp_path / "pairs.csv", T1_T2)
    assert (case.patient, case.target) == ("p", tmp_path / "two.nii")
    told = RECIPES["synth"].told(tmp_path / "pairs.csv").contrasts
    assert (told.given, told.wanted) == ("T1", "T2")


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("patient,split,T1\n", UsageError, "has both T1 and T2"),
        ("patient;T1;T2\np;one.nii;one.nii\n", MalformedInput, "semicolons; save it with"),
        ("patient,T1,T2\np,one.nii,one.nii,x\n", MalformedInput, "line 2: more cells than"),
        ("patient,split,T1\np,train,one.nii\n", UsageError, r"missing: \['T2'\]"),
        ("patient,split,T1,T2\np,learn,one.nii,one.nii\n", UsageError, "line 2: patient must"),
        ("patient,split,T1,T2\np,train,one.nii,no.nii\n", StorageError, "line 2 but not there"),
        ("patient,split,T1,T2\np,train,one.nii,one.nii\np,test,one.nii,one.nii\n", UsageError,
         "one side of the split"),
    ],
)  # fmt: skip
def test_tables_that_do_not_hold_are_refused(tmp_path, text, error, words):
    save(tmp_path / "one.nii", np.ones((4, 4, 4), np.int16), np.eye(4))
    table = tmp_path / "cases.csv"
    table.write_text(text)
    with pytest.raises(error, match=words):
        find_contrasts(tmp_path, table, T1_T2)


def test_a_folder_without_pairs_is_refused(tmp_path):
    with pytest.raises(UsageError, match="has both T1 and T2"):
        find_contrasts(tmp_path, None, T1_T2)
    with pytest.raises(StorageError):
        find_contrasts(tmp_path / "none", None, T1_T2)


def test_hidden_pairing_is_hidden_and_pairs_are_pairs(two, tmp_path):
    recipe = RECIPES["cyclegan-t1-t2"]
    prepare(recipe, [two], tmp_path / "arrays")
    settings = {"patch": (64, 64), "scale": (1, 1), "seed": 0}
    apart = Unmatched(tmp_path / "arrays", "train", **settings).batch(0, 8)
    pairs = Pairs(tmp_path / "arrays", "train", **settings).batch(0, 8)
    air = [((x.input > 0.2) != (x.target > 0.1)).float().mean() for x in (apart, pairs)]
    assert air[0] > 5 * air[1]  # a head's outline is the same in both contrasts
    again = Unmatched(tmp_path / "arrays", "train", **settings).batch(0, 8)
    assert torch.equal(again.input, apart.input)


def test_two_folders_are_no_pairs(tmp_path):
    for contrast, shape in (("T1", (60, 64, 40)), ("PET", (40, 70, 52))):
        for n in range(12):
            affine = centred((3.0, 3.0, 3.0), shape)
            scan = blobs(shape, affine) / 50  # PET in SUV
            save(tmp_path / contrast / f"{contrast}{n}.nii.gz", scan, affine)
    recipe = RECIPES["cyclegan-t1-pet"]
    cases = recipe.find(tmp_path, None)
    assert {case.split for case in cases} == {"train", "validate"}
    train, validate = ([{c.path.name, c.target.name} for c in cases if c.split == split]
                       for split in ("train", "validate"))  # fmt: skip
    assert not set.union(*train) & set.union(*validate)
    a, b = recipe.make(cases[0], torch.Generator())
    assert a.shape == b.shape
    assert float(b.max()) > 0.3
    both = RECIPES["pix2pix-t1-pet"]
    with pytest.raises(UsageError, match="has both T1 and PET"):
        both.find(tmp_path, None)


def test_a_folder_that_is_empty_is_refused(tmp_path):
    (tmp_path / "T1").mkdir()
    (tmp_path / "PET").mkdir()
    with pytest.raises(UsageError, match="in both T1 and PET"):
        RECIPES["cyclegan-t1-pet"].find(tmp_path, None)
