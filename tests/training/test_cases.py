"""Which scans to learn from: patients are split, never slices.

- A table says path, patient, split and licence; whatever is wrong in it is refused with its line
  or file, never with a patient's name.
- Without a table every scan below the folder counts, and all scans of a patient fall on one side.
"""

from pathlib import Path

import pytest

from medacuity.errors import MalformedInput, StorageError, UsageError
from medacuity.training.cases import Case, find_cases

HEADER = "path,patient,split,licence,repeat\n"


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    """Write scans and a table that names them."""
    for name in ("a.nii", "b.nii", "c.nii"):
        (folder / name).touch()
    path = folder / "cases.csv"
    path.write_text(header + "\n".join(rows) + "\n")
    return path


def test_a_table_is_read(tmp_path):
    table(tmp_path, "a.nii,DOE^JANE,train,CC0,3", "b.nii,p2,validate,CC BY,", "c.nii,p3,test,,1")
    assert find_cases(tmp_path) == [
        Case(tmp_path / "a.nii", "DOE^JANE", "train", "CC0", 3),
        Case(tmp_path / "b.nii", "p2", "validate", "CC BY", 1),
        Case(tmp_path / "c.nii", "p3", "test", "unknown", 1),
    ]


def test_a_table_elsewhere_is_read_too(tmp_path):
    (tmp_path / "scans").mkdir()
    path = table(tmp_path / "scans", "a.nii,p1,train,CC0,1").rename(tmp_path / "other.csv")
    assert len(find_cases(tmp_path / "scans", path)) == 1


def test_a_patient_on_two_sides_is_refused_without_saying_who(tmp_path):
    table(tmp_path, "a.nii,DOE^JANE,train,CC0,1", "b.nii,DOE^JANE,validate,CC0,1")
    with pytest.raises(UsageError, match="one side of the split") as refused:
        find_cases(tmp_path)
    assert "a.nii" in str(refused.value)
    assert "b.nii" in str(refused.value)
    assert "DOE" not in str(refused.value)


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("a.nii,p1,training,CC0,1", "line 2: split must be train, validate, test"),
        ("a.nii,,train,CC0,1", "line 2: path and patient"),
        (",p1,train,CC0,1", "line 2: path and patient"),
        ("a.nii,p1,train,CC0,0", "line 2: repeat must be"),
        ("a.nii,p1,train,CC0,two", "line 2: repeat must be"),
        ("a.nii,p1,train,CC0,-1", "line 2: repeat must be"),
        ("a.nii", "line 2: path and patient"),
    ],
)
def test_rows_that_do_not_hold_are_refused_with_their_line(tmp_path, row, named):
    table(tmp_path, row)
    with pytest.raises(UsageError, match=named):
        find_cases(tmp_path)


def test_missing_columns_and_files_are_named(tmp_path):
    table(tmp_path, "a.nii,p1", header="path,patient\n")
    with pytest.raises(UsageError, match="missing: \\['split', 'licence'\\]"):
        find_cases(tmp_path)
    table(tmp_path, "gone.nii,p1,train,CC0,1")
    with pytest.raises(StorageError, match=r"gone\.nii"):
        find_cases(tmp_path)
    with pytest.raises(StorageError):
        find_cases(tmp_path / "nowhere")
    with pytest.raises(StorageError):
        find_cases(tmp_path, tmp_path / "no.csv")


def test_what_is_no_table_is_refused(tmp_path):
    (tmp_path / "cases.csv").write_bytes(b"path,patient,split,licence\n\xff\xfe\x00\n")
    with pytest.raises(MalformedInput):
        find_cases(tmp_path)


@pytest.mark.parametrize("rows", [(), ("a.nii,p1,test,CC0,1",)])
def test_nothing_to_train_on_is_refused(tmp_path, rows):
    table(tmp_path, *rows)
    with pytest.raises(UsageError, match="no scan to train on"):
        find_cases(tmp_path)


def test_without_a_table_patients_are_split_whole(tmp_path):
    for patient in range(60):
        folder = tmp_path / f"sub-{patient:02d}" / "anat"
        folder.mkdir(parents=True)
        for scan in ("T1.nii.gz", "T2.nii", "notes.txt"):
            (folder / scan).touch()
    cases = find_cases(tmp_path)
    assert len(cases) == 120
    sides: dict[str, set[str]] = {}
    for case in cases:
        sides.setdefault(case.patient, set()).add(case.split)
    assert all(len(split) == 1 for split in sides.values())
    watched = sum(split == {"validate"} for split in sides.values())
    assert 1 <= watched <= 15
    assert find_cases(tmp_path) == cases


def test_a_file_per_patient_is_a_patient(tmp_path):
    for name in ("ann.nii.gz", "ann.mha", "ben.nii.gz"):
        (tmp_path / name).touch()
    assert sorted({case.patient for case in find_cases(tmp_path)}) == ["ann", "ben"]
