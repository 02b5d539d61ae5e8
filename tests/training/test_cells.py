"""Tables as spreadsheets save them: read like a plain one, or refused with the way out."""

from pathlib import Path

import pytest

from medacuity.errors import MalformedInput, StorageError
from medacuity.training.cells import read_cells

PLAIN = "path,patient\na.nii,ann\nb.nii,ben\n"
ROWS = [(2, {"path": "a.nii", "patient": "ann"}), (3, {"path": "b.nii", "patient": "ben"})]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace(",", " , ").replace("path", " path"),
        PLAIN.replace(",", ', "').replace("\n", '"\n'),
        PLAIN.replace("\n", ",,\n"),
        PLAIN.replace("nn\n", "nn,\n"),  # a cell more than names
        PLAIN + ",\n",
        "\n,\n" + PLAIN,
        '\ufeff\ufeff"path","patient"\n' + PLAIN.split("\n", 1)[1],  # saved twice with a mark
    ],
)
def test_tables_of_spreadsheets_say_the_same(text: str, tmp_path: Path) -> None:
    table = tmp_path / "cases.CSV"
    table.write_text(text, encoding="utf-8", newline="")
    before = 2 if text.startswith("\n") else 0
    assert read_cells(table) == [(line + before, row) for line, row in ROWS]


def test_a_cell_that_is_missing_is_empty(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,patient\na.nii\n")
    assert read_cells(tmp_path / "t.csv") == [(2, {"path": "a.nii", "patient": ""})]


def test_other_tables_are_refused_with_the_way_out(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    for mark, words in ((";", "separated by semicolons; save it with commas"), ("\t", "by tabs")):
        table.write_text(PLAIN.replace(",", mark))
        with pytest.raises(MalformedInput, match=words):
            read_cells(table)
    table.write_text(PLAIN + "c.nii,cat,train\n")
    with pytest.raises(MalformedInput, match="line 4: more cells than"):
        read_cells(table)
    table.write_bytes(b"path\n\xff\n")
    with pytest.raises(MalformedInput, match="UTF-8"):
        read_cells(table)
    with pytest.raises(StorageError):
        read_cells(tmp_path / "none.csv")
