"""``medacuity study`` from the outside: folders in, links and a server out.

- ``create`` makes a study; what cannot be is one line and a documented exit code.
- ``invite`` prints each link once; ``status`` says how far raters are.
- ``serve`` says the administrator's link at the first start only, serves, ends when asked with
  everything on disk, and answers on this machine only unless it is given its address.
- Without the extra's packages the pip line is named.
"""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image

from medacuity.cli import main
from medacuity.study.design import load


@pytest.fixture
def results(tmp_path):
    rng = np.random.default_rng(0)
    for method in ("A", "B"):
        (tmp_path / method).mkdir()
        for case in ("one", "two", "three"):
            picture = Image.fromarray(rng.integers(0, 255, (96, 120), np.uint8))
            picture.save(tmp_path / method / f"{case}.png")
    return tmp_path


@pytest.fixture
def study(results):
    folder = results / "study"
    methods = [f"--method={name}={results / name}" for name in ("A", "B")]
    assert main(["study", "create", str(folder), *methods]) == 0
    return folder


def test_a_study_is_created_with_everything(results, capsys):
    folder = results / "study"
    (results / "words.txt").write_text("Look.\n\nThen answer.")
    arguments = [
        "study", "create", str(folder), "--methods", f"A={results / 'A'}", "--methods",
        f"B={results / 'B'}", "--scale", "pairwise", "--question", "Sharper?", "--question",
        "Cleaner?", "--title", "Knees", "--instructions", f"@{results / 'words.txt'}",
        "--training", "1", "--repeats", "1", "--checks", "1", "--window", "10:200", "--axis",
        "axial", "--layout", "flicker", "--seed", "3", "--original", str(results / "A"),
    ]  # fmt: skip
    assert main(arguments) == 0
    assert "2 cases in 3 versions" in capsys.readouterr().err
    made = load(folder)
    assert (made.scale, made.title, made.layout, made.seed) == ("pairwise", "Knees", "flicker", 3)
    assert made.instructions == "Look.\n\nThen answer."
    assert [item.question for item in made.items] == ["Sharper?", "Cleaner?"]
    assert next(iter(made.images.values())).window == (10, 200)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2), (["--method", "A"], 2), (["--method", "A=."], 2),
        (["--method", "A={A}", "--method", "A={B}"], 2),
        (["--method", "A={A}", "--method", "B=/nowhere"], 7),
        (["--method", "A={A}", "--scale", "stars"], 2),
        (["--method", "A={A}", "--window", "9:1"], 2),
        (["--method", "A={A}", "--layout", "round"], 2),
        (["--method", "A={A}", "--viewer", "round"], 2),
        (["--method", "A={A}", "--axis", "up"], 2),
        (["--method", "A={A}", "--instructions", "@/nowhere"], 2),
        (["--method", "A={A}", "--training", "9"], 2),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(results, capsys, monkeypatch, arguments, code):
    empty = results / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    given = [each.format(A=results / "A", B=results / "B") for each in arguments]
    assert main(["study", "create", str(results / "study"), *given]) == code
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"medacuity: error {code}:")
    assert not (results / "study").exists()


def test_links_are_given_and_progress_shown(study, capsys):
    assert main(["study", "invite", str(study), "ann", "bea", "--url", "https://x.org"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["ann", "bea"]
    assert all("\thttps://x.org/join#" in line for line in lines)
    assert main(["study", "invite", str(study), "--count", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["number"], each["name"]) for each in found] == [(3, "R01"), (4, "R02")]
    assert main(["study", "invite", str(study), "--renew", "1", "--admin"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["ann", "administrator"]
    for wrong in (["ann"], [], ["--renew", "77"], ["\t"]):
        assert main(["study", "invite", str(study), *wrong]) == 2
    capsys.readouterr()
    assert main(["study", "status", str(study)]) == 0
    assert "ann                      0 of 6" in capsys.readouterr().out
    assert main(["study", "status", str(study), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["raters"]) == 4


def test_no_study_no_server(tmp_path, capsys):
    rest = {"invite": ["a"], "status": [], "serve": ["--port", "0"]}  # the usual port may be taken
    for command, arguments in rest.items():
        assert main(["study", command, str(tmp_path), *arguments]) == 7
        assert "holds no study" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--host", "0.0.0.0"], ["--url", "study.org"], ["--url", "https://a.org/path"],
     ["--port", "70000"], ["--database", "mysql://a/b"]],
)  # fmt: skip
def test_unsafe_places_are_refused(study, arguments, capsys):
    assert main(["study", "serve", str(study), "--port", "0", *arguments]) == 2
    assert capsys.readouterr().err.startswith("medacuity: error 2")


def test_a_port_in_use_is_named(study, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["study", "serve", str(study), "--port", port]) == 7
    assert "name another --port" in capsys.readouterr().err


def test_a_study_is_served_until_asked_to_end(study):
    for start, ending in ((1, signal.SIGTERM), (2, signal.SIGINT)):
        said, rest, code = served(study, ending)
        assert len(said) == (2 if start == 1 else 1)
        assert said[0].startswith("administrator" if start == 1 else "serving")
        assert code in (0, 130), rest
        assert "Traceback" not in rest


def served(study, ending):
    """Serve until a page was seen, then end; return what was said, and the code."""
    arguments = ["-m", "medacuity", "study", "serve", str(study), "--port", "0"]
    with subprocess.Popen(
        [sys.executable, *arguments], stderr=subprocess.PIPE, text=True
    ) as process:
        said = [process.stderr.readline()]
        if said[0].startswith("administrator"):
            said.append(process.stderr.readline())
        address = said[-1].split(" at ")[1].split(";")[0]
        wait_for(f"{address}/join")
        process.send_signal(ending)
        rest = process.stderr.read()
        return said, rest, process.wait(timeout=30)


def wait_for(address):
    """Ask until somebody answers."""
    for _ in range(300):
        try:
            with urllib.request.urlopen(address, timeout=5) as reply:
                assert reply.status == 200
            return
        except OSError:
            time.sleep(0.05)


def test_missing_packages_are_named(study, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for command in ("invite", "status", "serve"):
        assert main(["study", command, str(study)]) == 2
        assert "pip install 'medacuity[study]'" in capsys.readouterr().err
