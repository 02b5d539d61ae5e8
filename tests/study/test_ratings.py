"""Tables of ratings from any tool are read, or refused in one line that names line, value, way out.

- Delimiters, encodings, names of columns, shapes (a rating per line, a column per rater, a bare
  matrix) do not matter; nothing is dropped without a note.
- What is written can be read again, and no cell of it is a formula.
- Neither numpy nor torch is needed.
"""

import csv
import io
import json
import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medacuity.errors import LimitExceeded, MalformedInput, StorageError, UsageError
from medacuity.study import ratings_cells
from medacuity.study.ratings import Check, Choice, Rating, Ratings, Scale
from medacuity.study.ratings_check import scale_for
from medacuity.study.ratings_metrics import read_metrics
from medacuity.study.ratings_read import read_ratings
from medacuity.study.ratings_write import choices_csv, ratings_csv, ratings_json


@pytest.fixture
def table(tmp_path):
    """Return a function that writes a table and reads it."""

    def read(text, **options):
        path = tmp_path / "ratings.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_ratings(path, **options)

    return read


PLAIN = "rater,stimulus,score,method,case\nann,a1,4,m1,c1\nann,a2,2,m2,c1\nben,a1,5,m1,c1\n"


def test_a_rating_per_line(table):
    found = table(PLAIN)
    assert [(r.rater, r.stimulus, r.score, r.method, r.case) for r in found.ratings] == [
        ("ann", "a1", 4, "m1", "c1"), ("ann", "a2", 2, "m2", "c1"), ("ben", "a1", 5, "m1", "c1")
    ]  # fmt: skip
    assert (found.scale.low, found.scale.high, found.scale.step) == (1, 5, 1)
    assert found.title == "ratings"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(table, delimiter, ending):
    assert (
        table(PLAIN.replace(",", delimiter).replace("\n", ending)).ratings == table(PLAIN).ratings
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(table, encoding):
    assert table(PLAIN.replace("ann", "Jürgen").encode(encoding)).ratings[0].rater == "Jürgen"


def test_excel_says_its_delimiter_and_writes_decimal_commas(table):
    found = table("sep=;\nRater;Image;Score\nann;a;3,5\nben;a;4\n", low=1, high=5)
    assert [r.score for r in found.ratings] == [3.5, 4]


@pytest.mark.parametrize(
    "head",
    [
        "Reader ID,Image Name,Rating", "subject,video,vote", "OBSERVER,file_name,Opinion Score",
        "participant_id,item,grade", "annotator,stimulus id,value",
    ],
)  # fmt: skip
def test_names_of_columns(table, head):
    found = table(f"{head}\nann,a,4\nben,a,3\n").ratings
    assert [(r.rater, r.stimulus, r.score) for r in found] == [("ann", "a", 4), ("ben", "a", 3)]


def test_a_subject_is_the_rater_unless_there_is_one(table):
    alone = table("subject,image,score\nann,a,4\n").ratings[0]
    beside = table("reader,subject,image,score\nann,patient 3,a,4\n").ratings[0]
    assert (alone.rater, alone.case) == ("ann", "")
    assert (beside.rater, beside.case) == ("ann", "patient 3")


def test_case_and_method_name_a_stimulus(table):
    found = table("reader,patient,algorithm,score\nann,p1,srgan,4\n").ratings[0]
    assert (found.stimulus, found.case, found.method) == ("p1/srgan", "p1", "srgan")


def test_missing_scores_and_unknown_columns_are_said(table):
    found = table("rater,stimulus,score,mood\nann,a,4,fine\nann,b,,bad\nben,a,NA,\nben,b,3,\n")
    assert len(found.ratings) == 2
    assert any("mood" in note for note in found.notes)
    assert any("2 scores" in note for note in found.notes)


def test_times_are_seconds_or_not_used(table):
    assert table("rater,stimulus,score,seconds\nann,a,4,2.5\n").ratings[0].seconds == 2.5
    found = table("rater,stimulus,score,time\nann,a,4,2026-11-22 10:00\n")
    assert math.isnan(found.ratings[0].seconds)
    assert any("times" in note for note in found.notes)


def test_repeats_are_counted_whatever_they_are_called(table):
    trial = table("rater,stimulus,score,trial\nann,a,4,17\nann,b,3,4\nann,a,5,2\n").ratings
    assert [(r.stimulus, r.repeat) for r in trial] == [("a", 1), ("b", 0), ("a", 0)]
    order = table("rater,stimulus,score\nann,a,4\nann,a,5\n")
    assert [r.repeat for r in order.ratings] == [0, 1]
    assert any("repeat an earlier" in note for note in order.notes)
    session = table("rater,stimulus,score,session\nann,a,4,s1\nann,a,5,s2\n").ratings
    assert [r.repeat for r in session] == [0, 1]


def test_a_column_per_rater(table):
    found = table("stimulus,method,rater01,rater02\na,m1,4,5\nb,m2,,3\n").ratings
    assert [(r.rater, r.stimulus, r.method, r.score) for r in found] == [
        ("rater01", "a", "m1", 4), ("rater02", "a", "m1", 5), ("rater02", "b", "m2", 3)
    ]  # fmt: skip


def test_a_single_rater_and_an_unnamed_column(table):
    found = table("stimulus,rater01,\na,4,\nb,2,\n")
    assert [(r.rater, r.stimulus, r.score) for r in found.ratings] == [
        ("rater01", "a", 4), ("rater01", "b", 2)
    ]  # fmt: skip
    assert not any("not used" in note for note in found.notes)


def test_a_bare_matrix_with_repetitions(table):
    found = table("5.0,nan\n4.0,3.0\n,\n5.0,4.0\nnan,2.0\n").ratings
    assert [(r.stimulus, r.rater, r.repeat, r.score) for r in found] == [
        ("001", "01", 0, 5), ("002", "01", 0, 4), ("002", "02", 0, 3),
        ("001", "01", 1, 5), ("001", "02", 0, 4), ("002", "02", 1, 2),
    ]  # fmt: skip


def test_choices(table):
    found = table(
        "rater,case,left,right,winner\nann,c1,m1,m2,m2\nann,c2,m2,m1,left\nben,c1,m1,m2,tie\n"
    ).choices
    assert [(c.first, c.second, c.chosen) for c in found] == [
        ("m1", "m2", "m2"), ("m2", "m1", "m2"), ("m1", "m2", "")
    ]  # fmt: skip


def test_published_tables(data):
    folder = data / "travel" / "mos"
    nflx = read_ratings(folder / "nflx_public_raw_scores.csv")
    assert len(nflx.ratings) == 79 * 26
    assert len(read_ratings(folder / "vqeghd3_raw_scores.csv").ratings) == 72 * 24
    assert len(read_ratings(folder / "itut_p910_sample_data.csv").ratings) == 79 * 26 - 1
    layers = read_ratings(folder / "itur_bt500_small_sample_data.csv").ratings
    assert {r.repeat for r in layers} == {0, 1}
    assert len(layers) == 2 * (30 * 20 - 2)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("rater,stimulus,score\nann,a,good\n", 2, "'good'"),
        ("rater,stimulus,score\nann,a,4\nann,b,inf\n", 3, "'inf'"),
        ("rater,stimulus,score\nann,a,1_0\n", 2, "'1_0'"),
        ("rater,stimulus,score\n,a,4\n", 2, "rater is a name"),
        ("rater,stimulus,score\nann,,4\n", 2, "stimulus is a name"),
        ("rater,stimulus,score\nann,a\n", 2, "got 2"),
        ("rater,stimulus,score\nann,a,4,5\n", 2, "got 4"),
        ("who,what,how much\nann,a,4\n", 1, "rename the columns"),
        ("rater,stimulus,score\nann," + "x" * 501 + ",4\n", 2, "501"),
        ("1,2\n3\n", 2, "has 2 scores"),
        ("rater,case,first,second,chosen\nann,c,m1,m1,m1\n", 2, "twice"),
        ("rater,case,first,second,chosen\nann,c,m1,m2,m3\n", 2, "'m3'"),
        ("rater,stimulus,score,repeat\nann,a,4,once\n", 2, "'once'"),
        ('rater,stimulus,score\nann,a,"4,5"\n', 2, "with a point"),
        ("# by some tool\nrater,stimulus,score\nann,a,4\n", 1, "'# by some tool'"),
    ],
)
def test_refusals_name_file_line_value_and_way_out(table, text, line, says):
    with pytest.raises(MalformedInput) as caught:
        table(text)
    message = str(caught.value)
    assert f"ratings.csv: line {line}: " in message
    assert says in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("rater,stimulus,score\n", "at least one"),
        ("rater,stimulus,score,method\nann,a,4,m1\nben,a,4,m2\n", "'m1' and 'm2'"),
        ("rater,stimulus,score,case\nann,a,4,c1\nben,a,4,c2\n", "one case"),
        ("rater,stimulus,score,session\nann,a,4,1\nann,a,5,1\nann,b,5,2\n", "two of rater 'ann'"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "other bytes"),
        ("rater,stimulus,score\nann,a,1e300\nben,a,3\n", r"got 1e\+300 of rater 'ann'"),
        ("rater,stimulus,score\nann,a,1e-300\nben,a,3\n", "got 1e-300"),
        (f"rater,stimulus,score,method\nann,{'s' * 400},3,{'m' * 400}\nben,{'s' * 400},3,n\n",
         "one method"),
    ],
)  # fmt: skip
def test_tables_that_contradict_themselves_are_refused(table, text, says):
    with pytest.raises(MalformedInput, match=says) as caught:
        table(text)
    assert len(caught.value.reason) < 300


def test_scores_off_the_scale_are_refused(table):
    assert table(PLAIN, low=0, high=10).scale.high == 10
    with pytest.raises(MalformedInput, match=r"from 1 to 4, got 5 of rater 'ben'"):
        table(PLAIN, low=1, high=4)


@pytest.mark.parametrize(("low", "high"), [(5, 1), (3, 3), (-math.inf, 5), (1, math.inf)])
def test_a_scale_has_two_ends(table, low, high):
    with pytest.raises(UsageError, match="from a low to a high"):
        table(PLAIN, low=low, high=high)


def test_a_reference_must_be_a_method(table):
    assert table(PLAIN, reference="m1").reference == "m1"
    with pytest.raises(MalformedInput, match="m1, m2"):
        table(PLAIN, reference="original")


def test_a_missing_file_and_a_huge_one(tmp_path, monkeypatch):
    with pytest.raises(StorageError):
        read_ratings(tmp_path / "none.csv")
    path = tmp_path / "big.csv"
    path.write_text(PLAIN * 10)
    monkeypatch.setattr(ratings_cells, "MOST_BYTES", 100)
    with pytest.raises(LimitExceeded):
        read_ratings(path)


@pytest.mark.parametrize(
    ("scores", "low", "high", "step"),
    [
        ([1, 3, 5], 1, 5, 1), ([0, 3], 0, 5, 1), ([2, 7], 1, 7, 1), ([0, 10], 0, 10, 1),
        ([55.5, 70], 0, 100, 0), ([-3, 2], -3, 3, 1), ([3.5, 4], 1, 5, 0),
        ([700, 800], 700, 800, 0), ([250, 250], 250, 251, 1),
    ],
)  # fmt: skip
def test_the_scale_is_inferred(scores, low, high, step):
    found = scale_for(scores)
    assert (found.low, found.high, found.step) == (low, high, step)


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1,
                max_size=20).map(str.strip).filter(bool)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(NAMES, NAMES, st.integers(1, 5)), min_size=1, max_size=8,
        unique_by=lambda row: (row[0], row[1]),
    )
)  # fmt: skip
def test_what_is_written_is_read_again(tmp_path_factory, rows):
    given_ = [Rating(rater, stimulus, float(score)) for rater, stimulus, score in rows]
    path = tmp_path_factory.mktemp("again") / "out.csv"
    path.write_bytes(ratings_csv(given_).encode())
    found = read_ratings(path).ratings
    assert [(r.rater, r.stimulus, r.score) for r in found] == rows


PAYLOADS = (
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", '=HYPERLINK("http://x")',
    "＝1+1", "＋1", "－1", "＠x", " =1+1", "'=1",
)  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_cell_is_a_formula(payload, tmp_path):
    rating = Rating(payload, payload, 4.0, payload, payload, payload, payload)
    choice = Choice("ann", payload, payload, payload, "other", payload)
    for text in (ratings_csv([rating]), choices_csv([choice])):
        for row in csv.reader(io.StringIO(text)):
            for cell in row:
                assert cell.lstrip()[:1] not in tuple("=+-@＝＋－＠"), cell
                assert cell[:1] not in ("\t", "\r", "\n")
    assert json.loads(ratings_json(Ratings((rating,))))["ratings"][0]["method"] == payload
    path = tmp_path / "out.csv"
    path.write_bytes(ratings_csv([rating]).encode())
    assert read_ratings(path).ratings[0].method == payload.strip()


def test_numbers_stay_numbers():
    text = ratings_csv([Rating("ann", "a", -2.0, seconds=1.25), Rating("ann", "b", 1 / 3)])
    assert [row.split(",")[2] for row in text.splitlines()[1:]] == ["-2", "0.3333333333333333"]
    assert text.splitlines()[1].endswith(",1.25")


def test_json_holds_everything():
    given_ = Ratings(
        (Rating("ann", "a", 4.0),), (Choice("ann", "c", "", "m1", "m2", ""),), Scale(0, 10, (), 0),
        {"q": Scale()}, (Check("x", 1, 2),), "m1", "title", ("note",),
    )  # fmt: skip
    found = json.loads(ratings_json(given_))
    assert found["ratings"][0]["seconds"] is None
    assert found["choices"][0]["chosen"] == ""
    assert found["scale"]["high"] == 10
    assert found["checks"] == [{"stimulus": "x", "low": 1, "high": 2}]


def test_metrics_by_stimulus_or_by_case_and_method(table, tmp_path):
    ratings = table(PLAIN)
    path = tmp_path / "metrics.csv"
    path.write_text("stimulus,psnr,refusal\na1,30.5,\na2,28,no\nother,1,\n")
    assert read_metrics(path, ratings) == {"psnr": {"a1": 30.5, "a2": 28}}
    path.write_text("case,method,psnr,ssim\nc1,m1,30,0.9\nc1,m2,inf,0.8\nc9,m1,20,0.7\n")
    found = read_metrics(path, ratings)
    assert found["ssim"] == {"a1": 0.9, "a2": 0.8}
    assert found["psnr"]["a1"] == 30


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("image_hash,psnr\nx,3\n", "stimulus, or case and method"),
        ("stimulus,psnr\nzz,3\nyy,2\n", "a1"),
        ("stimulus,mood\na1,x\na2,y\n", "column of numbers"),
        ("stimulus,psnr\na1\n", "got 1"),
    ],
)  # fmt: skip
def test_metrics_of_nothing_that_was_rated_are_refused(table, tmp_path, text, says):
    path = tmp_path / "metrics.csv"
    path.write_text(text)
    with pytest.raises(MalformedInput, match=says):
        read_metrics(path, table(PLAIN))


def test_neither_numpy_nor_torch():
    code = (
        "import sys; import medacuity.study.ratings, medacuity.study.ratings_read,"
        " medacuity.study.ratings_write, medacuity.study.ratings_metrics;"
        "print(*[name for name in ('numpy', 'torch', 'scipy') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True,
                         timeout=120)  # fmt: skip
    assert run.stdout.split() == []
