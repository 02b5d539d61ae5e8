"""A report says what the ratings say: every number where it belongs, whatever the study was like.

HTML needs nothing but itself and runs nothing; the PDF has its pages; tables are complete; odd
studies (one rater, one case, one score, gaps, choices only) are reported or refused, never wrong.
"""

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from medacuity.errors import StorageError, UsageError
from medacuity.metrics.opinion.scores import mos
from medacuity.study.ratings import Choice, Rating, Ratings, Scale
from medacuity.study.ratings_write import choices_csv
from medacuity.study.report import analyse, text, without, write_report
from medacuity.study.report_blocks import Table, Words
from medacuity.study.report_document import document, pictures
from medacuity.study.report_figures import abreast, colour, marker
from medacuity.study.report_html import html
from medacuity.study.report_json import methods_csv, results_json
from medacuity.study.report_render import svg
from medacuity.study.simulate import Panel, simulate, simulate_choices

METHODS = {"bicubic": 2.5, "original": 4.6, "srgan": 3.6}
EVIL = "<script>alert(1)</script>&\"'=1+1"


@pytest.fixture(scope="module")
def study():
    """Return a simulated study with everything in it."""
    panel = Panel(METHODS, 8, 6, inattentive=1, repeats=0.3, checks=4)
    return simulate(panel, np.random.default_rng(0), reference="original")


@pytest.fixture(scope="module")
def found(study):
    """Return what is found in it, with two metrics."""
    rng = np.random.default_rng(1)
    good = {name: 10 * value + rng.normal() for name, value in study.quality.items()}
    poor = {name: rng.normal() for name in study.quality}
    return analyse(study.ratings, metrics={"good": good, "poor": poor})


@pytest.fixture(scope="module")
def folder(found, tmp_path_factory):
    """Return the folder of its report."""
    place = tmp_path_factory.mktemp("study") / "report"
    write_report(found, place)
    return place


def page_of(found):
    """Return the page of a report, its figures not drawn."""
    blocks = document(found)
    return html(blocks, {picture.name: b"" for picture in pictures(blocks)})


def test_means_are_of_first_scores_without_checks(study, found):
    finding = found.questions[0]
    for method in finding.methods:
        scores = [
            r.score for r in study.ratings.ratings
            if r.method == method.name and r.repeat == 0
        ]  # fmt: skip
        expected = mos(np.array(scores)[None, :])
        assert method.mos.value == pytest.approx(np.mean(scores))
        assert (method.mos.low, method.mos.high) == pytest.approx(
            (expected.low[0], expected.high[0])
        )
        assert method.ratings == len(scores) == 48


def test_dmos_is_against_the_reference(study, found):
    by = {(r.rater, r.case, r.method): r.score for r in study.ratings.ratings if not r.repeat}
    for method in found.questions[0].methods:
        gaps = [
            score - by[rater, case, "original"] + 5
            for (rater, case, name), score in by.items() if name == method.name
        ]  # fmt: skip
        assert method.dmos.value == pytest.approx(np.mean(gaps))


def test_the_best_metric_is_named(found):
    finding = found.questions[0]
    assert abs(finding.metrics["good"].ranks.value) > abs(finding.metrics["poor"].ranks.value)
    said = " ".join(block.text for block in document(found) if isinstance(block, Words))
    assert "good goes best with opinion" in said


def test_who_was_not_looking_is_named(study, found):
    flagged = {r.name for r in found.questions[0].raters if r.flags}
    assert set(study.inattentive) <= flagged


def test_the_folder_is_complete(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "report.html", "report.pdf", "results.json", "ratings.json", "ratings.csv", "stimuli.csv",
        "methods.csv", "raters.csv", "figures",
    }  # fmt: skip
    figures = {path.name for path in (folder / "figures").iterdir()}
    assert figures == {
        f"{n}.svg" for n in ("methods", "grades", "vgc", "cases", "metrics", "raters")
    }


def test_a_report_is_never_mixed_with_another(found, folder):
    with pytest.raises(StorageError, match="not an empty folder"):
        write_report(found, folder)


@pytest.mark.slow
def test_the_same_ratings_give_the_same_bytes(study, found, folder, tmp_path):
    again = analyse(study.ratings, metrics=found.metrics)
    write_report(again, tmp_path / "again")
    for path in folder.rglob("*.*"):
        other = tmp_path / "again" / path.relative_to(folder)
        assert other.read_bytes() == path.read_bytes(), path.name


class Page(HTMLParser):
    """Collects what matters of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.sources, self.alts, self.handlers, self.depth = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        given = dict(attrs)
        self.sources += [given[name] for name in ("src", "href", "data") if name in given]
        self.handlers += [name for name in given if name.startswith("on")]
        if tag == "img":
            self.alts.append(given.get("alt"))


def test_the_page_needs_nothing_but_itself(folder):
    page = Page()
    page.feed((folder / "report.html").read_text())
    assert {"script", "link", "iframe", "object", "form"}.isdisjoint(page.tags)
    assert not page.handlers
    assert page.sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert all(page.alts)
    assert page.tags.count("h1") == page.tags.count("main") == 1


def test_figures_are_vectors_without_anything_foreign(folder):
    for path in (folder / "figures").iterdir():
        tree = ElementTree.parse(path)
        used = {element.tag.rpartition("}")[2] for element in tree.iter()}
        assert "script" not in used
        assert "path" in used
        assert not re.search(rb'href="http', path.read_bytes())


def test_the_pdf_has_its_pages_and_letters(folder):
    data = (folder / "report.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type /Page\b", data)) >= 3
    assert b"/FontFile2" in data  # embedded TrueType, which printers and journals ask for
    assert b"/Subtype /Image" not in data  # all of it vectors


def test_results_are_json_without_nan(folder):
    def refuse(name):
        raise AssertionError(name)

    found = json.loads((folder / "results.json").read_text(), parse_constant=refuse)
    question = found["questions"][0]
    assert len(question["stimuli"]) == 24
    assert len(question["comparisons"]) == 3
    assert question["agreement"]["icc"]["two"]["value"] > 0


def test_tables_for_other_programs(folder):
    for name, rows in (("stimuli", 24), ("methods", 3), ("raters", 6)):
        with (folder / f"{name}.csv").open(newline="") as file:
            assert len(list(csv.DictReader(file))) == rows
    with (folder / "ratings.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(json.loads(
            (folder / "ratings.json").read_text())["ratings"])  # fmt: skip


def test_evil_names_stay_names():
    ratings = tuple(
        Rating(f"{EVIL} {r}", f"{EVIL}{m}{c}", float(1 + (r * m + c) % 5), f"{EVIL}{m}",
               f"$x_{c}$ {EVIL}", question=EVIL)
        for r in range(3) for m in range(2) for c in range(3)
    )  # fmt: skip
    found = analyse(Ratings(ratings, title=EVIL))
    page = page_of(found)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    for row in csv.DictReader(io.StringIO(methods_csv(found))):
        assert row["method"].endswith(("0", "1"))
    for picture in pictures(document(found)):
        assert b"<script" not in svg(picture)


@pytest.mark.slow
def test_letters_that_no_font_has_are_boxes(tmp_path):
    ratings = tuple(
        Rating(f"評価者{r}", f"画像{c}", float(1 + (r + c) % 5), case=f"症例{c}")
        for r in range(3) for c in range(4)
    )  # fmt: skip
    assert write_report(analyse(Ratings(ratings, title="画質")), tmp_path / "report")


def test_choices_only():
    ratings = simulate_choices(
        {"a": 0, "b": 0.5, "c": 1}, np.random.default_rng(0), cases=6, raters=4, ties=0.1
    )
    found = analyse(ratings)
    assert choices_csv(ratings.choices).count("tie") == found.pairs[0].ties
    assert "Bradley" in page_of(found)
    assert text(found).splitlines()[-3].startswith("c ")
    assert json.loads(results_json(found))["pairs"][0]["choices"] == 72


@pytest.mark.slow
def test_two_questions_on_two_scales(tmp_path):
    rng = np.random.default_rng(0)
    ratings = tuple(
        Rating(f"r{r}", f"s{s}", float(rng.integers(1, 6) if q == "sharp" else rng.uniform(0, 100)),
               f"m{s % 2}", f"c{s // 2}", question=q)
        for q in ("sharp", "noise") for r in range(4) for s in range(8)
    )  # fmt: skip
    given = Ratings(ratings, scales={"noise": Scale(0, 100, (), 0)})
    found = analyse(given)
    assert [f.grid.question for f in found.questions] == ["sharp", "noise"]
    write_report(found, tmp_path / "report")
    assert (tmp_path / "report" / "figures" / "q2-grades.svg").is_file()


ONE = Rating("r1", "s1", 4.0, "m1", "c1")


def made(raters, stimuli, *, score=lambda r, s: 1.0 + (r + s) % 5, **names):
    """Return ratings of some raters and stimuli; names are made of the stimulus' number."""
    return tuple(
        Rating(f"r{r}", f"s{s}", score(r, s), **{k: v.format(s) for k, v in names.items()})
        for r in range(raters)
        for s in range(stimuli)
    )


ODD = {
    "one rating": (ONE,),
    "one rater": made(1, 6, method="m", case="c{}"),
    "one case": made(6, 1, method="m", case="c"),
    "one score": made(3, 4, score=lambda r, s: 4.0, method="m", case="c{}"),
    "no overlap": tuple(Rating(f"r{i}", f"s{i}", 1.0 + i % 5, "m", f"c{i}") for i in range(5)),
    "methods of one case each": made(4, 3, method="m{}", case="c{}"),
    "two stimuli of one case and method": made(4, 4, method="m", case="c"),
    "a second score without a first": (ONE, replace(ONE, rater="r2", repeat=1, score=2.0)),
    "nothing but names": made(3, 5),
    "constant raters": made(3, 5, score=lambda r, s: float(r + 1)),
    "two raters of two who say the opposite": made(2, 2, score=lambda r, s: 1.0 + (r + s) % 2),
    "chance alone": made(3, 3, score=lambda r, s: 1.0 + (r + s) % 3),
    "two raters": made(2, 8, score=lambda r, s: float(1 + (3 * r + s) % 5), method="m", case="c{}"),
}


@pytest.mark.parametrize("ratings", ODD.values(), ids=ODD)
def test_odd_studies_are_reported(ratings):
    found = analyse(Ratings(ratings))
    blocks = document(found)
    for block in blocks:
        if isinstance(block, Table):
            assert all(len(row) == len(block.head) for row in block.rows)
            assert not any("nan" in cell for row in block.rows for cell in row)
    said = text(found)
    assert "nan" not in said
    assert "(-)" not in said


def test_many_flagged_raters_are_counted_not_listed():
    found = analyse(Ratings(made(40, 12, score=lambda r, s: 1.0 + (r * r * s + 3 * r) % 5)))
    said = next(s for s in text(found).splitlines() if s.startswith("Raters to look at"))
    assert len(said) < 500
    assert said.endswith("more (table of raters).")


def test_metrics_that_do_not_vary_are_said_and_stand_last():
    ratings = made(4, 6, score=lambda r, s: 1.0 + (s + r // 3) % 5, case="c{}")
    flat, fair = ({f"s{s}": float(s * slope) for s in range(6)} for slope in (0, 1))
    found = analyse(Ratings(ratings), metrics={"flat": flat, "fair": fair})
    table = next(b for b in document(found) if isinstance(b, Table) and b.head[0] == "metric")
    assert [row[0] for row in table.rows] == ["fair", "flat"]
    assert "fair goes best with opinion: SROCC" in text(found)
    assert "nan" not in text(found)
    alone = analyse(Ratings(ratings), metrics={"flat": flat})
    assert "No metric could be correlated" in text(alone)


@pytest.mark.slow
def test_odd_studies_can_be_written(tmp_path):
    for i, name in enumerate(("one rating", "one score", "methods of one case each")):
        written = write_report(analyse(Ratings(ODD[name])), tmp_path / str(i))
        folder = {path for path in (tmp_path / str(i)).rglob("*") if path.is_file()}
        assert folder == set(written)
        assert (tmp_path / str(i) / "report.pdf").read_bytes().startswith(b"%PDF-")
        for path in folder:
            if path.suffix == ".svg":
                ElementTree.fromstring(path.read_text())
            if path.suffix in (".csv", ".html"):
                assert not re.search(r"\bnan\b", path.read_text()), path
        json.loads((tmp_path / str(i) / "results.json").read_text(), parse_constant=pytest.fail)


def test_nothing_rated_is_refused():
    with pytest.raises(UsageError, match="at least one rating"):
        analyse(Ratings())


def test_a_metric_of_nothing_is_refused(study):
    with pytest.raises(UsageError, match="'psnr'"):
        analyse(study.ratings, metrics={"psnr": {"elsewhere": 3.0}})


def test_raters_can_be_left_out(study):
    found = without(study.ratings, study.inattentive)
    assert not {r.rater for r in found.ratings} & set(study.inattentive)
    assert study.inattentive[0] in found.notes[-1]
    with pytest.raises(UsageError, match="'nobody'"):
        without(study.ratings, ["nobody"])


def test_a_small_panel_is_not_left_to_one_rater():
    """With three raters P.910 would follow one alone; the report says so, and counts all alike."""
    found = analyse(simulate(Panel(METHODS, 8, 3), np.random.default_rng(0)).ratings)
    finding = found.questions[0]
    assert any("alone" in note for note in finding.notes)
    np.testing.assert_allclose(
        finding.recovery.quality, np.nanmean(finding.grid.first, axis=1), atol=1e-6
    )


def test_choices_between_groups_without_a_link_are_refused():
    choices = [Choice("r", "c", "", a, b, a) for a, b in (("m1", "m2"), ("m3", "m4"))]
    with pytest.raises(UsageError, match="2 groups"):
        analyse(Ratings(choices=tuple(choices)))


def test_a_long_table_points_to_the_csv():
    table = Table("cases", ("case",), tuple((str(i),) for i in range(300)), "note.").short()
    assert len(table.rows) == 200
    assert table.note == "note. 100 more rows are in the CSV files."


def test_csv_columns_are_stable(folder):
    head = next(csv.reader(io.StringIO((folder / "stimuli.csv").read_text())))
    assert head[:6] == ["question", "stimulus", "method", "case", "ratings", "mos"]


def test_methods_can_be_told_apart_and_legends_fit():
    assert len({(colour(i), marker(i)) for i in range(30)}) == 30
    assert [abreast(["x" * letters] * 9) for letters in (1, 12, 40)] == [5, 5, 3]
