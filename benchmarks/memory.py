"""How much anonymous memory does a large volume take?

    python benchmarks/memory.py [--shape 512 512 300] [--memory 2G] [--half]

Enhances a volume of noise-free ellipses in-plane x2 in a process of its own, reads RssAnon of
/proc/PID/status ten times a second, and prints the peak. The result is 1024 x 1024 x 300.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np

from medacuity.cli.talk import bytes_of
from medacuity.demo import phantom


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="not needed")
    parser.add_argument("--shape", type=int, nargs=3, default=(512, 512, 300))
    parser.add_argument("--memory", default="2G")
    parser.add_argument("--half", action="store_true", help="bfloat16: the same memory, sooner")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source, result = Path(name) / "in.nii", Path(name) / "out.nii"
        _write(source, tuple(args.shape))
        command = [sys.executable, "-m", "medacuity", "enhance", str(source), "-o", str(result),
                   "--scale", "2x2x1", "--memory", args.memory]  # fmt: skip
        began = time.monotonic()
        peak, code = _watch(command + ["--half"] * args.half)
        seconds = time.monotonic() - began
        shape = nib.load(result).shape if result.exists() else "nothing"
    allowed = bytes_of(args.memory)
    print(f"{args.shape} -> {shape}, exit {code}, {seconds:.0f} s: peak anonymous memory "
          f"{peak / 2**30:.2f} GiB, {peak / allowed:.2f} of the {args.memory} allowed")  # fmt: skip


def _write(path: Path, shape: tuple[int, int, int]) -> None:
    plane = phantom(shape[0]).array[:, : shape[1], 0]
    stack = np.repeat(plane[:, :, None], shape[2], 2)
    stack *= np.linspace(0.5, 1, shape[2], dtype=np.float32)
    nib.save(nib.Nifti1Image(stack.astype(np.int16), np.diag([0.5, 0.5, 1, 1])), path)


def _watch(command: list[str]) -> tuple[int, int]:
    process = subprocess.Popen(command)
    peak = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status")
        for line in status.read_text().splitlines() if status.exists() else []:
            if line.startswith("RssAnon"):
                peak = max(peak, int(line.split()[1]) * 1024)
        time.sleep(0.1)
    return peak, process.returncode


if __name__ == "__main__":
    main()
