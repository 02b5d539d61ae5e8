"""The house stands as its plan says; whoever leaves the plan is named.

- Imports only go down the floors of docs/architecture.md, are absolute, and never go round in a
  circle; the door and the package itself load nothing heavy.
- Files, classes, functions and their lists of parameters stay readable.
- Nothing that can run what a file holds, nothing that writes but the one writer, no shell.
- Everything public says what it does; words that the house does not use do not come up.

Exceptions stand in this file, by name and with a reason.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "medacuity"
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}

GROUND = {
    "volume", "errors", "atomic", "nd", "resize", "intensity", "regrid", "tiling", "tiles",
    "memory", "foreground", "hounsfield",
}  # fmt: skip
ROOMS = {
    "degrade": {"degrade", "degrade_ct"},
    "enhance": {"enhance", "choose", "findings"},
    "evaluate": {
        "evaluate", "evaluate_cases", "evaluate_session", "evaluate_statistics",
        "evaluate_report", "evaluate_pictures",
    },
    "losses": {"losses", "adversarial"},
    "checkpoint": {"checkpoint", "card", "blueprint"},
    "synthesize": {
        "synthesize", "synthesize_findings", "synthesize_output", "fitted", "viewpoint",
    },
    "generate": {"generate", "sheet"},
    "reconstruct": {"reconstruct", "reconstruct_findings", "reconstruct_learned"},
    "cli": {"cli", "__main__"},
}  # fmt: skip
"""Rooms of several modules; every other module or folder is a room by itself."""

MAY_IMPORT: dict[str, set[str]] = {
    "ground": set(),
    "formats": set(),
    "physics": set(),
    "metrics": set(),
    "engines": set(),
    "models": {"physics.radon"},
    "losses": {"metrics"},
    "trust": {"physics", "metrics"},
    "weights": set(),
    "checkpoint": {"models"},
    "sinograms": {"formats", "physics"},
    "degrade": {"formats", "physics", "sinograms"},
    "reconstruct": {"checkpoint", "formats", "physics", "sinograms"},
    "enhance": {"checkpoint", "engines", "trust", "formats"},
    "synthesize": {"checkpoint", "formats"},
    "generate": {"checkpoint", "formats"},
    "features": {"checkpoint", "metrics", "models"},
    "training": {"formats", "physics", "models", "losses", "metrics", "checkpoint", "features"},
    "selftest": {"checkpoint", "physics", "reconstruct"},
    "evaluate": {"metrics", "enhance", "degrade", "formats", "checkpoint", "features"},
    "demo": {"metrics", "enhance", "degrade", "evaluate"},
    "utility": {
        "metrics", "training", "checkpoint", "formats", "physics", "models", "losses",
    },
    "study": {"formats", "metrics.opinion", "degrade", "demo", "enhance"},
    "node": {"formats", "enhance"},
    "batch": {"formats", "enhance"},
    "cli": {
        "enhance", "degrade", "evaluate", "demo", "selftest", "training", "checkpoint", "formats",
        "models", "metrics", "physics", "trust", "utility", "study", "node", "batch",
        "synthesize", "generate", "sinograms", "reconstruct",
    },
}  # fmt: skip

INSIDE_TRAINING = [
    {"cells"},
    {"cases", "variety", "snapshots", "damages"},
    {"pictures", "degraded", "labelled", "phi", "ct_degraded"},
    {"contrasts", "pet_pairs", "masks"},
    {"learners"},
    {"pairs"},
    {"lessons", "projections", "discs"},
    {"fit", "watch", "trend", "vitals"},
    {"doctor", "figures", "board"},
    {"cures"},
    {"journal"},
    {"recipes"},
    {"prepare", "run"},
    {"session"},
]

HEAVY = (
    "torch", "numpy", "scipy", "nibabel", "pydicom", "matplotlib", "PIL", "tifffile", "nrrd",
    "h5py", "numba",
)  # fmt: skip

LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
MANY_PARAMETERS = {
    "cli/": "the flags of a command are its parameters",
}
WRITERS = {
    "atomic.py": "the one writer",
    "formats/dicom/write.py": "members of an archive that the one writer holds",
    "formats/tiff.py": "the null device, to keep a library quiet",
    "training/board.py": "event files of TensorBoard are appended to; what is half written is cut",
}
ASSERTS = {
    "formats/dicom/worker.py": "pipes of our own, for the type checker",
}


def relative(path: Path) -> str:
    """Return the path as the tree shows it."""
    return path.relative_to(PACKAGE).as_posix()


def room_of(module: str) -> str:
    """Return the room of a module, given below the package: ``"training.run"``."""
    first = module.split(".")[0]
    if first in GROUND:
        return "ground"
    return next((room for room, members in ROOMS.items() if first in members), first)


def module_of(path: Path) -> str:
    """Return a file's module below the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def exists(module: str) -> bool:
    """Return whether that is a module of the package, rather than a name in one."""
    place = PACKAGE.joinpath(*module.split("."))
    return place.with_suffix(".py").exists() or place.is_dir()


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every module of ours that is imported, below the package, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "medacuity":
                below = name.removeprefix("medacuity").removeprefix(".")
                while below and not exists(below):
                    below = below.rpartition(".")[0]
                if below:
                    yield below, node.lineno


def test_every_module_has_a_room():
    rooms = {room_of(module_of(path)) for path in FILES} - {"__init__"}
    assert rooms <= set(MAY_IMPORT), f"not on the plan: {rooms - set(MAY_IMPORT)}"


def test_imports_only_go_down():
    offenders = []
    for path, tree in TREES.items():
        room = room_of(module_of(path))
        for module, line in imports(tree):
            other = room_of(module)
            allowed = MAY_IMPORT.get(room, set())
            within = any(module.startswith(f"{part}.") for part in allowed)
            fine = other in (room, "ground") or {other, module} & allowed or within
            if not fine:
                offenders.append(f"{relative(path)}:{line} ({room}) imports {module}")
    assert not offenders, "\n".join(offenders)


def test_inside_training_imports_go_down_too():
    floor = {name: n for n, names in enumerate(INSIDE_TRAINING) for name in names}
    offenders = []
    for path, tree in TREES.items():
        own = module_of(path).split(".")
        if own[0] != "training" or len(own) == 1:
            continue
        for module, line in imports(tree):
            other = module.split(".")
            if other[0] == "training" and len(other) > 1 and floor[other[1]] > floor[own[1]]:
                offenders.append(f"{relative(path)}:{line} imports {module}")
    assert not offenders, "\n".join(offenders)


def test_nothing_is_imported_in_a_circle():
    graph = {
        module_of(path): {module for module, _ in imports(tree)} - {module_of(path)}
        for path, tree in TREES.items()
    }
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, f"a circle: {' -> '.join((*way, module))}"
        if module not in done:
            for other in graph.get(module, ()):
                # A package's __init__ gathers its own modules; that is no circle.
                if not module.startswith(f"{other}."):
                    visit(other, (*way, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_imports_are_absolute():
    offenders = [
        f"{relative(path)}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not offenders, offenders


def test_the_door_loads_nothing_heavy():
    code = (
        "import sys, medacuity, medacuity.cli;"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert run.stdout.split() == []


def test_files_are_short():
    offenders = {
        relative(path): lines
        for path in FILES
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 300
        and relative(path) not in LONG_FILES
    }
    assert not offenders, offenders


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield every function and method with where it stands."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{relative(path)}:{node.name}", node  # type: ignore[misc]


def body_lines(node: ast.FunctionDef) -> int:
    """Return the lines of a function's code: without decorators, signature and docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_functions_are_short():
    offenders = {
        where: lines
        for where, node in functions()
        if (lines := body_lines(node)) > 40 and where not in LONG_FUNCTIONS
    }
    assert not offenders, offenders


def test_classes_are_short():
    offenders = [
        f"{relative(path)}:{node.name}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and (node.end_lineno or 0) - node.lineno > 150
    ]
    assert not offenders, offenders


def test_parameters_are_few():
    offenders = {}
    for where, node in functions():
        names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
        names += [arg.arg for arg in node.args.kwonlyargs]
        count = len([name for name in names if name not in ("self", "cls")])
        if count > 8 and not where.startswith(tuple(MANY_PARAMETERS)):
            offenders[where] = count
    assert not offenders, offenders


def called(node: ast.Call) -> str:
    """Return a call's dotted name: ``"torch.load"``, or ``".save"`` for a method of anything."""
    parts: list[str] = []
    target: ast.expr = node.func
    while isinstance(target, ast.Attribute):
        parts.append(target.attr)
        target = target.value
    parts.append(target.id if isinstance(target, ast.Name) else "")
    return ".".join(reversed(parts))


def keyword(node: ast.Call, name: str) -> object:
    """Return the constant given for a keyword; None where there is none."""
    for given in node.keywords:
        if given.arg == name and isinstance(given.value, ast.Constant):
            return given.value.value
    return None


BANNED_MODULES = {
    "pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "yaml",
    "imp", "code", "codeop",
}  # fmt: skip
BANNED_CALLS = {
    "eval", "exec", "compile", "__import__", "torch.load", "torch.save", "tempfile.mktemp",
    "os.system", "os.popen", "logging.config.fileConfig", "np.savez", "np.savetxt", "np.fromfile",
    "shutil.unpack_archive",
}  # fmt: skip
BANNED_METHODS = {".extractall", ".extract", ".to_filename", ".tofile"}
WRITING_METHODS = {".write_text", ".write_bytes", ".touch"}


def forbidden(tree: ast.AST, name: str) -> Iterator[str]:
    """Yield what a file does that it must not."""
    writer = name in WRITERS
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [a.name for a in node.names]
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            for module in modules:
                if module.split(".")[0] in BANNED_MODULES:
                    yield f"{node.lineno} imports {module}"
        if not isinstance(node, ast.Call):
            continue
        call = called(node)
        method = "." + call.rpartition(".")[2] if "." in call else ""
        if call in BANNED_CALLS or method in BANNED_METHODS:
            yield f"{node.lineno} calls {call}"
        if method in WRITING_METHODS and not writer:
            yield f"{node.lineno} writes past the one writer: {call}"
        if call.endswith("np.load") and keyword(node, "allow_pickle") is not False:
            yield f"{node.lineno} np.load without allow_pickle=False"
        if keyword(node, "shell"):
            yield f"{node.lineno} starts a shell"
        if opens_for_writing(node, call) and not writer:
            yield f"{node.lineno} opens a file for writing: {call}"


def opens_for_writing(node: ast.Call, call: str) -> bool:
    """Return whether a call opens a file with a mode that writes."""
    if call in ("os.open", "os.fdopen", "tempfile.NamedTemporaryFile", "tempfile.mkstemp"):
        return True
    if call.rpartition(".")[2] not in ("open", "memmap", "TemporaryFile"):
        return False
    modes = [a.value for a in node.args if isinstance(a, ast.Constant)]
    modes.append(keyword(node, "mode"))
    return any(isinstance(m, str) and len(m) <= 3 and set(m) & set("wax+") for m in modes)


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_nothing_forbidden(path):
    offenders = [f"{relative(path)}:{what}" for what in forbidden(TREES[path], relative(path))]
    assert not offenders, "\n".join(offenders)


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from yaml import load", "eval('1')", "torch.load(p)", "np.load(p)",
        "np.load(p, allow_pickle=True)", "open(p, 'w')", "Path(p).open('ab')", "open(p, mode='r+')",
        "Path(p).write_text('')", "archive.extractall()", "subprocess.run(c, shell=True)",
        "tempfile.mktemp()", "np.memmap(p, mode='w+')", "os.open(p, 0)",
    ],
)  # fmt: skip
def test_the_forbidden_would_be_seen(code):
    assert list(forbidden(ast.parse(code), "some.py"))


def test_the_allowed_is_allowed():
    fine = (
        "open(p)\nopen(p, 'rb')\nnp.load(p, allow_pickle=False)\nre.compile('x')\n"
        "Path(p).open(newline='')\nsubprocess.run(['a'])\nImage.open(p)"
    )
    assert not list(forbidden(ast.parse(fine), "some.py"))


def public_without_words(tree: ast.Module) -> Iterator[str]:
    """Yield public classes, functions and methods that do not say what they do."""
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None:
            yield node.name
        if isinstance(node, ast.ClassDef) and not is_protocol(node):
            for member in node.body:
                if (
                    isinstance(member, ast.FunctionDef)
                    and not member.name.startswith("_")
                    and ast.get_docstring(member) is None
                ):
                    yield f"{node.name}.{member.name}"


def is_protocol(node: ast.ClassDef) -> bool:
    """Return whether a class only says what is needed of others."""
    return any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)


def test_everything_public_says_what_it_does():
    offenders = [
        f"{relative(path)}:{name}" for path, tree in TREES.items()
        for name in public_without_words(tree)
    ]  # fmt: skip
    offenders += [
        relative(path) for path, tree in TREES.items()
        if tree.body and ast.get_docstring(tree) is None
    ]  # fmt: skip
    assert not offenders, "\n".join(offenders)


NOT_OUR_WORDS = {
    "img", "imgs", "lq", "gt", "hr", "lr", "sr", "ref", "num_in_ch", "nc", "upscale", "sf",
}  # fmt: skip


def test_words_the_house_does_not_use():
    offenders = []
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            name = node.id if isinstance(node, ast.Name) else ""
            name = node.arg if isinstance(node, ast.arg) else name
            name = node.name if isinstance(node, ast.FunctionDef | ast.ClassDef) else name
            if name in NOT_OUR_WORDS:
                offenders.append(f"{relative(path)}:{node.lineno} {name}")
    assert not offenders, "\n".join(offenders)


def test_no_assert_on_what_a_user_gave():
    offenders = [
        f"{relative(path)}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert) and relative(path) not in ASSERTS
    ]
    assert not offenders, offenders


def test_dimensions_are_said_once():
    """``Conv2d``, ``Conv3d``, poolings and norms with a dimension in their name: only in nd."""
    offenders = [
        f"{relative(path)}:{node.lineno} {node.attr}"
        for path, tree in TREES.items()
        if relative(path) != "nd.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.lower().endswith(("2d", "3d"))
        and called(ast.Call(node, [], [])).split(".")[0] in ("nn", "torch", "F")
    ]
    assert not offenders, "\n".join(offenders)
