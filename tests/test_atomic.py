"""A path holds the whole old file or the whole new one, at every instant.

- A writer that raises, at any point, leaves what was there and nothing beside it.
- A failing write, fsync or rename is our ``StorageError`` (exit code 7).
- A folder takes its place only when every file in it is there, and never replaces files.
"""

import os

import pytest

from medacuity.atomic import atomic_folder, atomic_write, check_writable
from medacuity.errors import StorageError


def test_the_file_appears_whole_and_only_at_the_end(tmp_path):
    target = tmp_path / "out.bin"
    with atomic_write(target) as file:
        file.write(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["out.bin"]


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt, SystemExit, OSError])
def test_a_writer_that_raises_leaves_the_old_file(tmp_path, fault):
    target = tmp_path / "out.bin"
    target.write_bytes(b"old")

    def fail():
        with atomic_write(target) as file:
            file.write(b"half of the new")
            raise fault("no")

    with pytest.raises(StorageError if fault is OSError else fault):
        fail()
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out.bin"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file(tmp_path, monkeypatch, call):
    target = tmp_path / "out.bin"
    target.write_bytes(b"old")

    def broken(*_):
        raise OSError(28, "No space left on device")

    def attempt():
        with atomic_write(target) as file:
            file.write(b"new")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, broken)
        with pytest.raises(StorageError, match="No space left") as caught:
            attempt()
    assert caught.value.exit_code == 7
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out.bin"]


def test_file_and_folder_are_synced_before_and_after_the_rename(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    with atomic_write(tmp_path / "out.bin") as file:
        file.write(b"x")
    assert calls == ["fsync", "replace", "fsync"]


def test_a_missing_folder_and_a_folder_in_the_way_are_named(tmp_path):
    for target in (tmp_path / "missing" / "out.bin", tmp_path):
        with pytest.raises(StorageError) as caught, atomic_write(target) as file:
            file.write(b"x")
        assert str(target) in str(caught.value)


def test_long_names_fit_beside(tmp_path):
    target = tmp_path / ("n" * 250)
    with atomic_write(target) as file:
        file.write(b"x")
    assert target.read_bytes() == b"x"


def test_a_folder_takes_its_place_whole(tmp_path):
    target = tmp_path / "series"
    with atomic_folder(target) as folder:
        (folder / "sub").mkdir()
        with atomic_write(folder / "sub" / "1.dcm") as file:
            file.write(b"x")
        assert not target.exists()
    assert (target / "sub" / "1.dcm").read_bytes() == b"x"
    assert os.listdir(tmp_path) == ["series"]


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    def fail():
        with atomic_folder(tmp_path / "series") as folder:
            (folder / "1.dcm").write_bytes(b"x")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert os.listdir(tmp_path) == []


def test_a_folder_never_mixes_with_files(tmp_path):
    (tmp_path / "series").mkdir()
    with atomic_folder(tmp_path / "series") as folder:  # empty: fine
        (folder / "1.dcm").write_bytes(b"x")
    with (
        pytest.raises(StorageError, match="not an empty folder"),
        atomic_folder(tmp_path / "series"),
    ):
        pass
    assert os.listdir(tmp_path / "series") == ["1.dcm"]


def test_check_writable_says_it_before_the_work(tmp_path):
    check_writable(tmp_path / "out.bin")
    assert os.listdir(tmp_path) == []
    with pytest.raises(StorageError, match="does not exist"):
        check_writable(tmp_path / "missing" / "out.bin")
    if os.geteuid():  # root may write anywhere
        tmp_path.chmod(0o500)
        with pytest.raises(StorageError, match="Permission"):
            check_writable(tmp_path / "out.bin")
        tmp_path.chmod(0o700)
