"""From answers to findings at the command line: what goes in, what comes out, one line when not.

``simulate`` writes ratings, ``analyse`` takes them and any other table, ``plan`` says how many
raters, ``report`` reads a study.
"""

import json

import pytest

from medacuity.cli import main


@pytest.fixture
def ratings(tmp_path, monkeypatch):
    """Return a table of simulated ratings, and work in its folder."""
    monkeypatch.chdir(tmp_path)
    made = ["study", "simulate", "-o", "pilot.csv", "--cases", "6", "--raters", "6"]
    assert main([*made, "--method", "cubic=2.5", "--method", "network=3.8"]) == 0
    return tmp_path / "pilot.csv"


def test_simulated_ratings_are_analysed(ratings, capsys):
    assert main(["study", "analyse", "pilot.csv", "--low", "1", "--high", "5"]) == 0
    said = capsys.readouterr()
    assert "network was rated best" in said.out
    assert "written to pilot-report/report.html" in said.err
    assert (ratings.parent / "pilot-report" / "report.pdf").is_file()
    assert main(["study", "analyse", "pilot.csv"]) == 7  # never over another report
    assert "name a new one" in capsys.readouterr().err


def test_json_is_all_that_stdout_says(ratings, capsys, monkeypatch):
    monkeypatch.setattr("medacuity.study.report.write_report", lambda found, folder: [folder])
    assert main(["study", "analyse", "pilot.csv", "--json", "--reference", "network"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {m["name"] for m in found["questions"][0]["methods"]} == {"cubic", "network"}
    assert found["questions"][0]["methods"][1]["dmos"]["value"] == 5


def test_metrics_and_raters_left_out(ratings, capsys, monkeypatch):
    monkeypatch.setattr("medacuity.study.report.write_report", lambda found, folder: [folder])
    lines = [f"case {c:02d},{m},{20 + c + 3 * (m == 'network')}"
             for c in range(1, 7) for m in ("cubic", "network")]  # fmt: skip
    (ratings.parent / "metrics.csv").write_text("case,method,psnr\n" + "\n".join(lines))
    call = ["study", "analyse", "pilot.csv", "--metrics", "metrics.csv", "--without", "rater 01"]
    assert main(call) == 0
    said = capsys.readouterr().out
    assert "psnr goes best with opinion" in said
    assert "5 raters" in said
    assert main(["study", "analyse", "pilot.csv", "--without", "nobody"]) == 2


def test_a_plan(ratings, capsys):
    assert main(["study", "plan", "--sd", "0.8", "--half-width", "0.5"]) == 0
    assert "13 raters bring" in capsys.readouterr().out
    assert main(["study", "plan", "--pilot", "pilot.csv", "--half-width", "0.6", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["raters"] >= 2
    assert main(["study", "plan", "--half-width", "0"]) == 2
    assert "positive" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("rater,stimulus,score\nann,a,good\n", 3, "line 2"), ("", 3, "empty"),
        ("who,what\nann,a\n", 3, "rename the columns"), (None, 7, "cannot read"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_one_line(tmp_path, capsys, text, code, says):
    path = tmp_path / "ratings.csv"
    if text is not None:
        path.write_text(text)
    assert main(["study", "analyse", str(path)]) == code
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_a_method_is_a_name_and_a_quality(tmp_path, capsys):
    out = str(tmp_path / "a.csv")
    assert main(["study", "simulate", "-o", out, "--method", "srgan"]) == 2
    assert "NAME=QUALITY" in capsys.readouterr().err
