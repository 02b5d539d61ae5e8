"""dciodvfy, which knows the standard, finds no fault in a result that its source had not."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_dicom_write import KINDS, derive, some


def faults(path: Path) -> set[str]:
    """Return what dciodvfy calls an error, whichever slice or frame it is in."""
    run = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    lines = (run.stdout + run.stderr).splitlines()
    return {re.sub(r"\[\d+\]", "[]", line) for line in lines if line.startswith("Error")}


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dicom3tools is not installed")
@pytest.mark.parametrize("scale", [(2, 2, 1), (1, 1, 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_validator_finds_no_new_fault(tmp_path: Path, kind: str, scale: Any) -> None:
    derive(tmp_path, some(kind), scale)
    source, out = tmp_path / "source", tmp_path / "out"
    first = [sorted(path.iterdir())[1] if path.is_dir() else path for path in (source, out)]
    assert faults(first[1]) <= faults(first[0])
    if kind not in KINDS[3:]:
        assert not faults(first[1])
