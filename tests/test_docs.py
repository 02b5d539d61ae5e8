"""The documents are true.

Every ``python`` block of the README and of docs/ runs, and so does every ``medacuity`` line of a
``sh`` block, in order, in a folder that holds the scans they name; long trainings are cut to a
few steps. Other lines must name a make target or a script that exists, with options it has. The
examples and the doctests run. Every command, network and weight file has its words, every
module its place in the README's tree, and links lead somewhere.
"""

import doctest
import importlib
import re
import runpy
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
import typer
from PIL import Image

from medacuity import formats
from medacuity.checkpoint import shipped
from medacuity.cli import app, main
from medacuity.demo import phantom, sample_head
from medacuity.formats import Source
from medacuity.models import NETWORKS
from medacuity.training.recipes import RECIPES
from medacuity.volume import Volume

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "medacuity"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if not p.name.startswith("__"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)#\s]+)(?:#([^)]*))?\)")
STEPS = re.compile(r"--steps \d+")


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return language and text of every fenced block."""
    return FENCE.findall(page.read_text())


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the scans that the documents name, and work in it."""
    part = sample_head().array[64:160, 64:160]  # filled to the edge: no air to crop
    for name, array in {"ann": part, "ben": part[::-1]}.items():
        _save(tmp_path / "scans" / f"{name}.nii.gz", array, (1, 1, 5))
        for kind, values in {"T1": array, "T2": array.max() - array}.items():
            _save(tmp_path / "contrasts" / f"{name}_{kind}.nii.gz", values, (1, 1, 5))
    for name in ("normal", "pneumonia"):
        (tmp_path / "chests" / name).mkdir(parents=True)
        for n, pixels in enumerate(np.random.default_rng(1).integers(0, 256, (30, 28, 28))):
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "chests" / name / f"{n}.png")
    slices = phantom(48).array * np.linspace(0.8, 1.0, 6, dtype=np.float32)
    _save(tmp_path / "scan.nii.gz", slices, (1, 1, 3))
    _save(tmp_path / "ct.nii.gz", slices / slices.max() * 1500 - 1000, (4, 4, 3))
    colours = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "image.png")
    (tmp_path / "series").mkdir()
    slice_file = pydicom.data.get_testdata_file("MR_small.dcm", download=False)
    shutil.copy(str(slice_file), tmp_path / "series" / "1.dcm")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _save(path: Path, array: np.ndarray, spacing: tuple[float, float, float]) -> None:
    path.parent.mkdir(exist_ok=True)
    volume = Volume(np.ascontiguousarray(array, dtype=np.int16), np.diag([*spacing, 1.0]))
    formats.write(path, [volume], like=Source(path.parent / "made", (volume,), None, ""))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_blocks_of_a_page_run_one_after_another(
    page: Path, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, object] = {}
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, page.name, "exec"), names)
        for line in _lines(text) if language == "sh" else ():
            _run_line(line, desk, capsys)


def _lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


def _run_line(line: str, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(STEPS.sub("--steps 1 --batch 1 --variants 1", line), comments=True)
    if words[0] == "medacuity":
        code = main(words[1:])
        said = capsys.readouterr().err
        assert code == 0, f"{line}: {said}"
    elif words[0] == "make":
        assert all(re.search(f"^{w}:", (ROOT / "Makefile").read_text(), re.M) for w in words[1:])
    elif words[0] == "python" and words[1].startswith("examples/"):
        _run_script(ROOT / words[1], *words[2:])
    else:
        _check_script(words)


def _run_script(script: Path, *arguments: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [script.name, *arguments])
        runpy.run_path(str(script), run_name="__main__")


def _check_script(words: list[str]) -> None:
    """Check a line that takes too long for a test: the script is there and has the options."""
    script = next(ROOT / word for word in words if (ROOT / word).is_file())
    for option in (word for word in words if word.startswith("--")):
        assert f'"{option}"' in script.read_text() or option.startswith("--nproc"), option


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.py")), ids=ids)
def test_examples_run(script: Path, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run_script(script)
    assert re.search("dB|points", capsys.readouterr().out)


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_doctests_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_command_is_documented() -> None:
    words = "\n".join(page.read_text() for page in PAGES)
    for name in _commands(typer.main.get_command(app), "medacuity"):
        assert f"{name} " in words or f"{name}`" in words, name


def _commands(command: object, name: str) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name
    for word, each in (inner or {}).items():
        yield from _commands(each, f"{name} {word}")


def test_every_option_is_documented() -> None:
    words = "\n".join(page.read_text() for page in PAGES)
    door = typer.main.get_command(app)
    commands = [door, *door.commands.values()]  # type: ignore[attr-defined]
    options = {o for c in commands for p in c.params for o in p.opts if o.startswith("--")}
    assert [option for option in sorted(options) if option not in words] == []


def test_every_network_and_weight_file_has_its_words() -> None:
    pages = [ROOT / "docs" / "weights.md", *(ROOT / "docs" / "networks").glob("*.md")]
    words = "\n".join(page.read_text() for page in pages)
    names = {*NETWORKS, *RECIPES, *shipped()}
    assert [name for name in sorted(names) if f"`{name}`" not in words] == []


def test_tree_names_every_module_and_nothing_else() -> None:
    tree = next(text for language, text in blocks(ROOT / "README.md") if language == "tree")
    listed = set(_tree(tree))
    assert [str(path) for path in listed if not (ROOT / path).exists()] == []
    told = {path.parent for path in listed if path.suffix == ".py"}  # folders told file by file
    for module in MODULES:
        path = module.relative_to(ROOT)
        if path.parent in told or path.parent not in listed:
            assert path in listed, path


def _tree(text: str) -> Iterator[Path]:
    """Yield the paths of the tree: indented names, two spaces apart; a word alone is prose."""
    above: list[tuple[int, Path]] = []
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        above = [(d, folder) for d, folder in above if d < depth]
        parent = above[-1][1] if above else Path()
        for word in re.split(r"\s{2,}", line.strip()):
            if word.endswith("/"):
                above.append((depth, parent / word))
            if word.endswith("/") or re.fullmatch(r"[\w.]+\.\w+|LICENSE|Makefile", word):
                yield parent / word


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md", PACKAGE / "weights/LICENCES.md"],
                         ids=ids)  # fmt: skip
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        if "://" in target:
            continue
        path = page.parent / target
        assert path.exists(), target
        if anchor:
            assert anchor in {_anchor(h) for h in re.findall(r"^#+ (.*)$", path.read_text(), re.M)}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
