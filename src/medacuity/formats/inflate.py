"""Bytes from a file, to the very end: counted, hashed, decompressed, checksums verified.

The usual readers of ``.nii.gz`` stop once they have the voxels and so never see the checksum,
or fill a truncated file with zeros. Here a stream is finished: every byte is decoded, CRC32
and length (Adler-32 for zlib data) are compared, and nothing may follow.
"""

import hashlib
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from medacuity.errors import MalformedInput
from medacuity.formats.limits import check_ratio, storage

CHUNK = 256 * 1024
EMPTY_MEMBERS = 64
"""gzip members that hold nothing; block gzip ends with one, a bomb of time has millions."""


class FileBytes:
    """The bytes of a file as they lie on disk, hashed as they pass.

    Args:
        file: Opened for reading.
        path: Its name, for messages.
        after: The file before it, where one image lies in two: the hash goes over both.
    """

    def __init__(self, file: IO[bytes], path: Path, *, after: "FileBytes | None" = None) -> None:
        self.path = path
        self._file = file
        self._pending = b""
        self.hash: Any = after.hash if after else hashlib.sha256()
        with storage(path):
            self.size = file.seek(0, 2)
            file.seek(0)
        self.left = self.size

    def read(self, count: int) -> bytes:
        """Return up to ``count`` bytes; fewer only at the end of the file."""
        data, self._pending = self._pending[:count], self._pending[count:]
        if len(data) < count:
            with storage(self.path):
                fresh = self._file.read(count - len(data))
            self.hash.update(fresh)
            data += fresh
        self.left -= len(data)
        return data

    def unread(self, data: bytes) -> None:
        """Put bytes back that were read too far."""
        self._pending = data + self._pending
        self.left += len(data)

    def sha256(self) -> str:
        """Return the hash of the whole file; whatever was not read yet is read now."""
        while self.read(CHUNK):
            pass
        return str(self.hash.hexdigest())


class PlainStream:
    """Uncompressed data: exactly as many bytes as announced."""

    def __init__(self, source: FileBytes) -> None:
        self.path = source.path
        self._source = source

    def expect(self, count: int) -> None:
        """Compare the file's size with what its header announces, before taking memory."""
        if self._source.left != count:
            raise MalformedInput(
                f"the header announces {count} bytes of data and the file has "
                f"{self._source.left}; it is truncated or damaged, copy it again",
                path=self.path,
            )

    def readinto(self, buffer: NDArray[np.uint8]) -> None:
        """Fill ``buffer``."""
        done = 0
        while done < buffer.size:
            data = self._source.read(min(CHUNK, buffer.size - done))
            if not data:
                raise _truncated(self.path)
            buffer[done : done + len(data)] = np.frombuffer(data, np.uint8)
            done += len(data)

    def finish(self) -> None:
        """Refuse bytes that nobody announced."""
        if self._source.read(1):
            raise _trailing(self.path)


class InflateStream:
    """gzip (any number of members) or zlib data, decoded to the end and verified.

    Args:
        source: Where the compressed bytes come from.
        gzip: gzip members with CRC32 and length; otherwise one zlib stream with Adler-32.
    """

    def __init__(self, source: FileBytes, *, gzip: bool = True) -> None:
        self.path = source.path
        self._source = source
        self._gzip = gzip
        self._input = b""
        self._empty = 0
        self._member()

    def expect(self, count: int) -> None:
        """Refuse a growth that only a decompression bomb has, before taking memory."""
        check_ratio(count, self._source.left + len(self._input), self.path)

    def readinto(self, buffer: NDArray[np.uint8]) -> None:
        """Fill ``buffer``."""
        done = 0
        while done < buffer.size:
            data = self._some(min(4 * CHUNK, buffer.size - done))
            if not data:
                raise _truncated(self.path)
            buffer[done : done + len(data)] = np.frombuffer(data, np.uint8)
            done += len(data)

    def read(self, count: int) -> bytes:
        """Return exactly ``count`` decoded bytes."""
        buffer = np.empty(count, np.uint8)
        self.readinto(buffer)
        return buffer.tobytes()

    def finish(self) -> None:
        """Decode to the end: checksums right, nothing more than was announced."""
        if self._some(1):
            raise _trailing(self.path)

    def _member(self) -> None:
        self._decoder = zlib.decompressobj(31 if self._gzip else 15)
        self._decoded = 0

    def _some(self, most: int) -> bytes:
        """Return 1 to ``most`` decoded bytes, or none at the verified end."""
        while True:
            if self._decoder.eof and not self._next_member():
                return b""
            if not self._input:
                self._input = self._source.read(CHUNK)
            at_end = not self._input
            try:
                data = self._decoder.decompress(self._input, most)
            except zlib.error as error:
                raise MalformedInput(
                    "the compressed data is damaged (its checksum or structure is wrong); "
                    "copy or export the file again",
                    path=self.path,
                ) from error
            eof = self._decoder.eof
            self._input = self._decoder.unused_data if eof else self._decoder.unconsumed_tail
            self._decoded += len(data)
            if data:
                return data
            if at_end and not eof:
                raise _truncated(self.path)

    def _next_member(self) -> bool:
        """Start the next gzip member; False at the end of the file."""
        self._input = self._input or self._source.read(CHUNK)
        if not self._input:
            return False
        self._empty += self._decoded == 0
        if not self._gzip or self._empty > EMPTY_MEMBERS or self._input[:1] != b"\x1f":
            raise _trailing(self.path)
        self._member()
        return True


def _truncated(path: Path) -> MalformedInput:
    return MalformedInput("the file is truncated: its data ends early; copy it again", path=path)


def _trailing(path: Path) -> MalformedInput:
    return MalformedInput(
        "the file holds more data than its header announces; it is damaged, export it again",
        path=path,
    )
