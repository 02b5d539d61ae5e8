"""TensorBoard reads the curves of a run, each point once, however often it was interrupted.

- Scalars and pictures come back as they went in; what is not finite is left out.
- Going on after a step: later points are gone from all files, and TensorBoard is told; names of
  files tell nothing about the machine.
- A file cut or damaged anywhere, as by a power cut, gives what came before.
"""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboardX.proto.event_pb2 import Event

from medacuity.training.board import HEAD, Board, _records


def png(width: int = 5, height: int = 3) -> bytes:
    """Return a small picture."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((height, width), np.uint8)).save(file, "PNG")
    return file.getvalue()


def events(folder: Path) -> list[Event]:
    """Return all events of a folder, file by file."""
    found = []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        found += [Event.FromString(data[a + HEAD.size : b - 4]) for a, b in _records(data)]
    return found


def points(folder: Path) -> list[tuple[int, str, float]]:
    """Return every point of every curve."""
    return [
        (event.step, value.tag, round(value.simple_value, 6))
        for event in events(folder) for value in event.summary.value
        if value.HasField("simple_value")
    ]  # fmt: skip


def write(folder: Path, steps: range, *, done: int) -> None:
    """Write some steps of a run."""
    board = Board(folder, done=done)
    for step in steps:
        board.scalars(step, {"loss": step / 10, "bad": math.nan})
        if step % 2 == 0:
            board.picture(step, "samples", png())
    board.close()


def test_what_is_written_can_be_read(tmp_path):
    write(tmp_path, range(1, 5), done=0)
    assert points(tmp_path) == [(n, "loss", n / 10) for n in range(1, 5)]
    images = [v.image for e in events(tmp_path) for v in e.summary.value if v.HasField("image")]
    assert [(image.width, image.height) for image in images] == [(5, 3), (5, 3)]
    assert images[0].encoded_image_string == png()
    first, second, *_ = events(tmp_path)
    assert first.file_version == "brain.Event:2"
    assert (second.session_log.status, second.step) == (1, 1)  # start: what comes after counts anew


def test_going_on_continues_the_same_curves_without_doubles(tmp_path):
    write(tmp_path, range(1, 8), done=0)
    write(tmp_path, range(5, 9), done=4)
    write(tmp_path, range(3, 6), done=2)
    write(tmp_path, range(6, 8), done=5)
    assert points(tmp_path) == [(n, "loss", n / 10) for n in range(1, 8)]
    images = [e.step for e in events(tmp_path) for v in e.summary.value if v.HasField("image")]
    assert images == [2, 4, 6]
    starts = [e.step for e in events(tmp_path) if e.HasField("session_log")]
    assert starts == [1, 5, 3, 6]
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        f"events.out.tfevents.{n:06d}" for n in range(1, 5)
    ]


@pytest.mark.parametrize("damage", ["cut", "flip", "zeros", "empty"])
def test_a_damaged_file_gives_what_came_before(tmp_path, damage):
    write(tmp_path, range(1, 8), done=0)
    path = tmp_path / "events.out.tfevents.000001"
    data = bytearray(path.read_bytes())
    end = [b for _, b in _records(bytes(data))][4]  # two of the start, then 1, 2 and its picture
    if damage == "flip":
        data[end + 20] ^= 1
    path.write_bytes({
        "cut": data[: end + 7], "flip": data, "zeros": data[:end] + bytes(500), "empty": b"",
    }[damage])  # fmt: skip
    write(tmp_path, range(3, 5), done=7)
    kept = [] if damage == "empty" else [1, 2]
    assert [step for step, *_ in points(tmp_path)] == [*kept, 3, 4]
    assert len(path.read_bytes()) == (0 if damage == "empty" else end)


def test_files_of_others_are_left_alone(tmp_path):
    (tmp_path / "events.out.tfevents.1700000000.host").write_bytes(b"theirs")
    (tmp_path / "notes.txt").write_bytes(b"mine")
    write(tmp_path, range(1, 3), done=0)
    assert (tmp_path / "events.out.tfevents.1700000000.host").read_bytes() == b"theirs"
    assert (tmp_path / "events.out.tfevents.000001").exists()
