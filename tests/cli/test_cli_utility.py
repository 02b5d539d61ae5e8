"""``medacuity utility classify``: from a folder of pictures to a folder of findings.

- Journal, report, tables and pictures come out, and all say SYNTHETIC where that is what is
  shown; asked again with more seeds, only what is missing is trained.
- Wrong calls are one line and a documented code.
"""

import json
from pathlib import Path

import pytest

from labelled_makers import write_folders
from medacuity.cli import main

QUICK = ["--classifier-steps", "2", "--each", "6", "--generator", "lent"]


def test_a_folder_of_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_folders(tmp_path / "data")
    words = ["utility", "classify", "--data", "data", "-o", "out", *QUICK]
    assert main([*words, "--amounts", "0.3", "--seeds", "2"]) == 0
    said = capsys.readouterr().out
    assert "balanced accuracy" in said
    assert "no verdict" in said
    assert "better" not in said
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "settings.json", "journal.csv", "memory.csv", "report.json", "report.md", "gains.png",
        "generated-0.3.png",
    }  # fmt: skip
    before = (tmp_path / "out" / "journal.csv").read_text()
    assert main([*words, "--amounts", "0.3", "--seeds", "3", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (tmp_path / "out" / "journal.csv").read_text().startswith(before)
    found = [each for each in record["differences"] if each["amount"] == 0.3]
    assert {each["difference"]["seeds"] for each in found} == {3}
    assert all(each["word"] in each["sentence"] for each in found)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["task"] == "classify"


def test_ready_made_pictures_are_taken(tmp_path: Path) -> None:
    data, made = (write_folders(tmp_path / name, seed=n) for n, name in enumerate(("a", "b")))
    words = ["utility", "classify", "--data", str(data), "--generated", str(made), *QUICK[:2]]
    assert main([*words, "-o", str(tmp_path / "o"), "--amounts", "1", "--seeds", "1"]) == 0
    assert '"ready-made' in (tmp_path / "o" / "settings.json").read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--data", "none"], 7, "no labelled pictures"),
        (["--data", "empty"], 2, "folder of pictures"),
        (["--data", "data", "--amounts", "0"], 2, "shares"),
        (["--data", "data", "--amounts", "1", "--amounts", "1"], 2, "each once"),
        (["--data", "data", "--seeds", "0"], 2, "seeds"),
        (["--data", "data", "--generator", "cgan-pneumonia"], 2, "scarce"),
        (["--data", "data", "--generator", "gna", "--amounts", "1"], 2, "gna"),
        (["--data", "data", "--generated", "none"], 7, "class is missing"),
    ],
)
def test_wrong_calls_are_one_line(
    words: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write_folders(tmp_path / "data", count=8)
    (tmp_path / "empty").mkdir()
    assert main(["utility", "classify", "-o", "out", *words, "--classifier-steps", "1"]) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_a_folder_of_other_settings_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_folders(tmp_path / "data", count=12)
    words = ["utility", "classify", "--data", str(data), "-o", str(tmp_path / "o"), *QUICK,
             "--amounts", "1", "--seeds", "1"]  # fmt: skip
    assert main(words) == 0
    assert main([*words, "--as-is"]) == 7
    assert "balanced" in capsys.readouterr().err
