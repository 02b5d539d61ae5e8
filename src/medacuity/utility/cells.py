"""CSV tables as spreadsheets save them: a mark in front, spaces, columns and lines left empty."""

import csv
from collections.abc import Sequence
from pathlib import Path

from medacuity.errors import MalformedInput, StorageError

OTHER = {";": "semicolons", "\t": "tabs"}  # what stands between cells elsewhere


def read_cells(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the lines of a table, with their numbers, by the names of its columns.

    Spaces around cells and names are left out, and so are columns without a name and lines
    without a word; a cell that is missing is empty.

    Raises:
        StorageError: It cannot be read.
        MalformedInput: It is not a CSV table in UTF-8, or has something else than commas.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="", restkey="", skipinitialspace=True)
            names = reader.fieldnames or []
            _check_commas(names, table)
            found = [(reader.line_num, _stripped(row)) for row in reader]
    except OSError as error:
        raise StorageError(f"cannot read: {error.strerror or error}", path=table) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedInput("not a CSV table in UTF-8", path=table) from error
    return [(line, row) for line, row in found if any(row.values())]


def _check_commas(names: Sequence[str], table: Path) -> None:
    for mark, word in OTHER.items():
        if len(names) == 1 and mark in names[0]:
            raise MalformedInput(
                f"its cells are separated by {word}; save it with commas", path=table
            )


def _stripped(row: dict[str, str]) -> dict[str, str]:
    return {name.strip(): cell.strip() for name, cell in row.items() if name.strip()}
