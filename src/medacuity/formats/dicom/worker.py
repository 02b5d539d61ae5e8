"""Decode compressed pixels in a process of its own.

The decoders are old C, C++ and Rust: a damaged file can crash them, make them run for ever,
or have them print to the terminal what should be an error. Here that ends one small process,
which holds no file, opens none, and may use bounded memory and time. It runs this file as a
script, so that it starts without the rest of the package.

Request: a line of JSON (what to decode), then ``size`` bytes of encapsulated pixels. Answer:
one byte, `DONE` or `FAILED`, then the decoded pixels.
"""

import json
import logging
import os
import subprocess
import sys
import warnings
from contextlib import suppress
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

DONE, FAILED = b"+", b"-"
COMPLAINTS = (b"corrupt", b"premature", b"truncat")
"""What libjpeg prints when it fills the rest of a damaged picture with grey."""
SECONDS_AT_LEAST, PIXELS_PER_SECOND = 10, 500_000
SPARE_BYTES = 2 * 1024**3


class Decoder:
    """A process that decodes; started when first needed, ended with the ``with`` block.

    Example:
        >>> with Decoder() as decoder:
        ...     pass
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def decode(self, data: bytes, options: dict[str, Any]) -> NDArray[Any] | None:
        """Return the decoded pixels, or None if no decoder can, or dares.

        Args:
            data: The value of PixelData.
            options: Of ``pydicom.pixels``: ``rows``, ``bits_allocated``...; and ``syntax``, the
                transfer syntax, and ``dtype``, that of the result.
        """
        dtype = np.dtype(options["dtype"])
        count = options["number_of_frames"] * options["rows"] * options["columns"]
        process = self._started()
        answer = np.empty(count, dtype)
        assert process.stdin is not None  # both are pipes, as we asked
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({**options, "size": len(data)}).encode() + b"\n")
            process.stdin.write(data)
            process.stdin.flush()
            whole = process.stdout.read(1) == DONE and _fill(process.stdout, answer)
        except OSError:  # it died before it had heard everything
            whole = False
        if not whole:
            self.__exit__()
        return answer if whole else None

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **one, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        return self._process


def _fill(stream: IO[bytes], array: NDArray[Any]) -> bool:
    view, done = memoryview(array.view(np.uint8)), 0  # type: ignore[arg-type]
    while done < len(view):
        got = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            return False
        done += got
    return True


def serve() -> None:
    """Answer requests until there are no more: the other end of `Decoder`."""
    warnings.simplefilter("ignore")
    logging.disable()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    complaints = _listen()
    while line := requests.readline():
        options = json.loads(line)
        data = requests.read(options.pop("size"))
        pixels = _decoded(data, options, complaints)
        answers.write(FAILED if pixels is None else DONE + pixels)
        answers.flush()


def _listen() -> int:
    """Point the libraries' standard error at a pipe that we read and that never blocks."""
    heard, said = os.pipe()
    os.set_blocking(heard, False)
    os.set_blocking(said, False)
    os.dup2(said, 2)
    return heard


def _decoded(data: bytes, options: dict[str, Any], complaints: int) -> bytes | None:
    from pydicom.pixels.decoders.base import get_decoder

    syntax, dtype = options.pop("syntax"), options.pop("dtype")
    pixels = options["number_of_frames"] * options["rows"] * options["columns"]
    _limit(8 * pixels * np.dtype(dtype).itemsize + 4 * len(data), pixels)
    try:
        array, _ = get_decoder(syntax).as_array(data, raw=True, **options)
        array = np.asarray(array, dtype)
    except BaseException:  # Rust panics are no Exception; whatever it is, it has failed
        return None
    with suppress(BlockingIOError):
        if any(word in os.read(complaints, 65536).lower() for word in COMPLAINTS):
            return None
    return array.tobytes() if array.size == pixels else None


def _limit(extra_bytes: int, pixels: int) -> None:
    """Allow what this picture can need: memory, seconds, no file, no dump of its memory."""
    try:
        import resource
    except ImportError:  # not on Windows; the limits on size still hold
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + SECONDS_AT_LEAST + pixels // PIXELS_PER_SECOND
    _set(resource.RLIMIT_CPU, seconds)
    with suppress(OSError), open("/proc/self/statm", "rb") as file:  # Linux has it
        mapped = int(file.read().split()[0]) * resource.getpagesize()
        _set(resource.RLIMIT_AS, mapped + extra_bytes + SPARE_BYTES)
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_FSIZE, 0)


def _set(kind: int, value: int) -> None:
    import resource

    _, most = resource.getrlimit(kind)
    allowed = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(kind, (allowed, most))


if __name__ == "__main__":
    serve()
