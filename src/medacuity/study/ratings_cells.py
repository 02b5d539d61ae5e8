"""From the bytes of a table to rows of cells: encodings, delimiters, limits, numbers."""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medacuity.errors import LimitExceeded, MalformedInput, StorageError

MOST_BYTES = 64 * 2**20
MOST_ROWS = 2_000_000
LONGEST = 500
"""Characters of a name; what is longer is no name."""

DELIMITERS = ",;\t|"
MISSING = {"", "nan", "na", "n/a", "none", "null", "-", "."}


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Args:
        line: Its number in the file, from 1.
        cells: What it says.
    """

    line: int
    cells: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing stands in it."""
        return not any(self.cells)


@dataclass(frozen=True)
class Sheet:
    """A file of rows.

    Args:
        path: Where it came from.
        rows: Its rows, blank lines left out.
        decimal_comma: Whether 4,5 is a number.
    """

    path: Path
    rows: tuple[Row, ...]
    decimal_comma: bool

    def refuse(self, line: int, reason: str) -> MalformedInput:
        """Return the error that names the file and the line."""
        return MalformedInput(f"line {line}: {reason}", path=self.path)

    def number(self, row: Row, text: str, what: str) -> float:
        """Read a number; NaN where it is missing.

        Raises:
            MalformedInput: It is something else.
        """
        if text.lower() in MISSING:
            return math.nan
        plain = text.replace(",", ".") if self.decimal_comma else text
        try:
            value = float(plain)
        except ValueError:
            value = math.inf
        if not math.isfinite(value) or "_" in plain:
            way = "write decimals with a point" if "," in text else "replace words by numbers"
            raise self.refuse(
                row.line, f"{what} is a number, or empty where missing; got {shown(text)}; {way}"
            )
        return value


def read_sheet(path: str | Path) -> Sheet:
    """Read a table of any delimiter (comma, semicolon, tab, bar) and encoding.

    Raises:
        StorageError: The file cannot be read.
        LimitExceeded: It is larger than any rating study.
        MalformedInput: It is no table.
    """
    path = Path(path)
    text = _text(path)
    first, _, rest = text.partition("\n")
    told = first.strip().lower()
    if told.startswith("sep=") and len(told) == 5:  # Excel's way to name the delimiter
        delimiter, text = told[-1], "\n" + rest
    else:
        delimiter = _delimiter(text)
    rows = tuple(_rows(path, text, delimiter))
    if not rows:
        raise MalformedInput("a table of ratings has rows, got an empty file", path=path)
    return Sheet(path, rows, decimal_comma=delimiter != ",")


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise StorageError(f"cannot read: {error.strerror or error}", path=path) from error
    if len(data) > MOST_BYTES:
        raise LimitExceeded(
            f"a table of ratings has at most {MOST_BYTES >> 20} MiB, got more; split it", path=path
        )
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise MalformedInput("a table of ratings is text, got other bytes; save it as CSV", path=path)


def _delimiter(text: str) -> str:
    """Return the delimiter that splits the first lines most, outside of quotes."""
    lines = [line for line in text.split("\n", 20)[:20] if line.strip()][:10]

    def splits(mark: str) -> int:
        """Return the fewest times that a mark stands in a line, outside of quotes."""
        bare = ["".join(line.split('"')[::2]) for line in lines]
        return min((line.count(mark) for line in bare), default=0)

    # A decimal comma splits, too: a semicolon, tab or bar on every line is never chance.
    for mark in DELIMITERS[1:]:
        if splits(mark):
            return mark
    return ","


def _rows(path: Path, text: str, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        for count, cells in enumerate(reader):
            if count > MOST_ROWS:
                raise LimitExceeded(f"a table has at most {MOST_ROWS} rows, got more", path=path)
            if cells:
                yield Row(reader.line_num, tuple(plain(cell.strip()) for cell in cells))
    except csv.Error as error:
        raise MalformedInput(f"line {reader.line_num}: {error}", path=path) from error


FORMULA = "=+-@\t\r\n＝＋－＠"
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV injection)."""


def safe(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: with an apostrophe before it.

    Example:
        >>> safe("=1+1"), safe("patient 3")
        ("'=1+1", 'patient 3')
    """
    text = text.strip()
    return f"'{text}" if text and text[0] in FORMULA + "'" else text


def plain(text: str) -> str:
    """Return a text as it was before :func:`safe`.

    Example:
        >>> plain(safe("=1+1")), plain("'quoted'")
        ('=1+1', "'quoted'")
    """
    return text[1:] if text[:1] == "'" and text[1:2] and text[1] in FORMULA + "'" else text


def shown(text: str) -> str:
    """Return a value as an error message shows it: quoted, short, on one line.

    Example:
        >>> shown("very" * 20)
        "'veryveryveryveryveryveryveryver...'"
    """
    text = " ".join(text.split())
    return repr(text if len(text) <= 40 else text[:31] + "...")
