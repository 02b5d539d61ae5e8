"""The curves and pictures of a run for TensorBoard: ``tensorboard --logdir RUN/tensorboard``."""

import io
import struct
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from time import time

from PIL import Image
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter, masked_crc32c

from medacuity.atomic import atomic_write

HEAD = struct.Struct("<QI")  # length of a record, checksum of the length
VERSION = "brain.Event:2"


class Board:
    """Append to the event files of a run; go on after a step as if nothing had come after it.

    Event files can only be appended to, and are not the run's memory: what a power cut leaves
    half written is cut off the next time. Every session has a file of its own, as a TensorBoard
    that is looking on expects; what older files hold after ``done`` is taken out of them, and
    TensorBoard is told, so that no curve is there twice.

    Args:
        folder: Where the event files lie; it is made.
        done: The last step that counts of those written before.
    """

    def __init__(self, folder: Path, *, done: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        older = sorted(folder.glob("events.out.tfevents." + 6 * "[0-9]"))
        for path in older:
            _cut(path, done)
        number = int(older[-1].suffix[1:]) + 1 if older else 1
        self.writer = RecordWriter(str(folder / f"events.out.tfevents.{number:06d}"))
        self._add(Event(file_version=VERSION))
        self._add(Event(step=done + 1, session_log=SessionLog(status=SessionLog.START)))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to every curve; what is not finite has no place on one."""
        points = [
            Summary.Value(tag=name, simple_value=value)
            for name, value in values.items() if isfinite(value)
        ]  # fmt: skip
        self._add(Event(step=step, summary=Summary(value=points)))

    def picture(self, step: int, name: str, png: bytes) -> None:
        """Show a PNG under a name, and put everything so far on disk."""
        with Image.open(io.BytesIO(png)) as opened:
            width, height = opened.size
        image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=png)
        self._add(Event(step=step, summary=Summary(value=[Summary.Value(tag=name, image=image)])))
        self.writer.flush()

    def close(self) -> None:
        """Put everything on disk; nothing can be added after it."""
        self.writer.flush()
        self.writer.close()

    def _add(self, event: Event) -> None:
        event.wall_time = time()
        self.writer.write(event.SerializeToString())


def _cut(path: Path, done: int) -> None:
    """Keep of a file the records up to a step, whole ones only; nothing else follows them."""
    data = path.read_bytes()
    end = 0
    for start, stop in _records(data):
        event = Event.FromString(data[start + HEAD.size : stop - 4])
        if event.HasField("summary") and event.step > done:
            break
        end = stop
    if end < len(data):
        with atomic_write(path) as file:
            file.write(data[:end])


def _records(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each sound record begins and ends, up to the first that is not."""
    start = 0
    while start + HEAD.size <= len(data):
        length, checksum = HEAD.unpack_from(data, start)
        stop = start + HEAD.size + length + 4
        if checksum != masked_crc32c(data[start : start + 8]) or stop > len(data):
            return
        (own,) = struct.unpack_from("<I", data, stop - 4)
        if own != masked_crc32c(data[start + HEAD.size : stop - 4]):
            return
        yield start, stop
        start = stop
