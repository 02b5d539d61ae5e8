"""What has been measured so far, in files that hold whole rows at any time."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medacuity.atomic import atomic_write
from medacuity.errors import MalformedInput, StorageError

Row = dict[str, str]


class Table:
    """Rows of a CSV file; each addition is written before the next is measured.

    Args:
        path: The file; it need not be there yet.
        columns: Names of the columns.

    Raises:
        MalformedInput: The file has other columns, or a row is not whole.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns = path, tuple(columns)
        self.rows: list[Row] = []
        if path.exists():
            self.rows = self._read()

    def add(self, row: Mapping[str, object]) -> None:
        """Write one more row; numbers as they are, so that they are read back to the bit."""
        self.rows.append({name: str(row[name]) for name in self.columns})
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        with atomic_write(self.path) as file:
            file.write(text.getvalue().encode())

    def _read(self) -> list[Row]:
        with self.path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
        if tuple(reader.fieldnames or ()) != self.columns:
            raise MalformedInput(
                f"its columns must be {', '.join(self.columns)}; name another folder",
                path=self.path,
            )
        if any(None in row or None in row.values() for row in rows):
            raise MalformedInput("a row is not whole; take it out", path=self.path)
        return rows


def settle(folder: Path, settings: Mapping[str, object]) -> None:
    """Write down what all rows of a folder have in common, or check that it is the same.

    Raises:
        StorageError: The folder is of a comparison with other settings, or holds other things.
    """
    path = folder / "settings.json"
    wanted = json.loads(json.dumps(settings))
    if not path.exists():
        if folder.exists() and any(folder.iterdir()):
            raise StorageError("it holds other things; name a new folder", path=folder)
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(json.dumps(wanted, indent=1).encode() + b"\n")
        return
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise MalformedInput("it is damaged; name another folder", path=path) from error
    if found != wanted:
        names = {*found, *wanted} if isinstance(found, dict) else {"settings"}
        other = [name for name in sorted(names) if found.get(name) != wanted.get(name)]
        raise StorageError(
            f"the folder was begun with other settings ({', '.join(other)}); go on with those, "
            "or name a new folder",
            path=folder,
        )
