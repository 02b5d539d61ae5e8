"""CSV tables as spreadsheets save them: a mark in front, spaces, columns and lines left empty."""

import csv
from collections.abc import Sequence
from pathlib import Path

from medacuity.errors import MalformedInput, StorageError

OTHER = {";": "semicolons", "\t": "tabs"}  # what stands between cells elsewhere


def read_cells(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the lines of a table, with their numbers, by the names of its columns.

    A byte order mark and spaces around cells and names are left out, and so are columns without
    a name and lines without a word; a cell that is missing is empty.

    Raises:
        StorageError: It cannot be read.
        MalformedInput: It is not a CSV table in UTF-8, something else than commas separates its
            cells, or a line has too many.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except OSError as error:
        raise StorageError(f"cannot read: {error.strerror or error}", path=table) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedInput("not a CSV table in UTF-8", path=table) from error
    (_, header), *rest = [line for line in lines if any(line[1])] or [(1, [])]
    names = [_name(cell) for cell in header]
    _check_commas(names, table)
    return [(line, _by_name(names, cells, line, table)) for line, cells in rest]


def _name(cell: str) -> str:
    """Return the name of a column without what a second byte order mark leaves around it."""
    return cell.lstrip("\ufeff").strip(' "')


def _check_commas(names: Sequence[str], table: Path) -> None:
    for mark, word in OTHER.items():
        if any(mark in name for name in names):
            raise MalformedInput(
                f"its cells are separated by {word}; save it with commas", path=table
            )


def _by_name(names: Sequence[str], cells: Sequence[str], line: int, table: Path) -> dict[str, str]:
    if any(cells[len(names) :]):
        raise MalformedInput(f"line {line}: more cells than the table has columns", path=table)
    missing = [""] * (len(names) - len(cells))
    return {name: cell for name, cell in zip(names, [*cells, *missing], strict=False) if name}
