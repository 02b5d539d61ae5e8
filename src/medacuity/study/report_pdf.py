"""A report as a PDF of A4 pages, all of it vectors: text, tables, figures."""

from collections.abc import Sequence
from functools import lru_cache
from typing import IO

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path

from medacuity.study.report_blocks import Block, Heading, Picture, Table, Words
from medacuity.study.report_render import WIDTH, drawing, settle

PAPER = (8.27, 11.69)
MARGIN = 0.635
TOP, BOTTOM = 0.7, 0.8
LEADING = 1.35
SIZES = (7.5, 7.0, 6.5, 6.0, 5.5)
GAP = 0.16
"""Inches between two columns of a table."""

WORDY = ("what it says", "flagged")
INK, FAINT, PALE = "#1b1b1b", "#888888", "#cccccc"


def pdf(blocks: Sequence[Block], file: IO[bytes]) -> None:
    """Write a report as a PDF.

    Args:
        blocks: What stands in it, the title first.
        file: Takes the bytes.
    """
    title = next((b.text for b in blocks if isinstance(b, Heading)), "Rating study")
    with drawing(), PdfPages(file, metadata={"Title": title, "CreationDate": None}) as pages:
        sheet = _Sheet(pages, title)
        for block in blocks:
            sheet.put(block)
        sheet.turn(last=True)


class _Sheet:
    """The page that is being filled, from the top down; positions in inches."""

    def __init__(self, pages: PdfPages, title: str) -> None:
        self.pages, self.title, self.count = pages, title, 0
        self._fresh()

    def _fresh(self) -> None:
        close = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.03, hspace=0, wspace=0.02)
        self.figure = Figure(figsize=PAPER, layout=close)
        self.y = TOP
        self.count += 1

    def turn(self, *, last: bool = False) -> None:
        """Finish the page, and begin another unless it was the last."""
        self.text(f"{self.title[:80]}", MARGIN, PAPER[1] - 0.5, size=6.5, ink=FAINT)
        self.text(str(self.count), PAPER[0] - MARGIN, PAPER[1] - 0.5, size=6.5, ink=FAINT, end=True)
        settle(self.figure)
        self.pages.savefig(self.figure)  # type: ignore[no-untyped-call]
        if not last:
            self._fresh()

    def room(self, height: float) -> None:
        """Turn the page if so much does not fit any more."""
        if self.y > TOP and self.y + height > PAPER[1] - BOTTOM:
            self.turn()

    def text(
        self, text: str, x: float, y: float, *, size: float, bold: bool = False, ink: str = INK,
        end: bool = False,
    ) -> None:  # fmt: skip
        """Write one line, its base line at y; to the left of x with ``end``."""
        self.figure.text(
            x / PAPER[0], 1 - y / PAPER[1], text, fontsize=size, color=ink,
            fontweight="bold" if bold else "normal", ha="right" if end else "left",
        ).set_in_layout(False)  # fmt: skip

    def rule(self, y: float, width: float, *, thick: float = 0.4) -> None:
        """Draw a line across."""
        x = [MARGIN / PAPER[0], (MARGIN + width) / PAPER[0]]
        ink = FAINT if thick > 0.5 else PALE
        line = Line2D(x, [1 - y / PAPER[1]] * 2, color=ink, linewidth=thick)
        self.figure.add_artist(line).set_in_layout(False)

    def put(self, block: Block) -> None:
        """Put a block where there is room."""
        if isinstance(block, Heading):
            size = 17.0 if block.level == 1 else 12.0
            self.room(1.8)  # not alone at the foot of a page
            self.y += 0.12 if self.y > TOP else 0
            self.paragraph(block.text, size=size, bold=True)
        elif isinstance(block, Words):
            self.paragraph(block.text, size=9)
        elif isinstance(block, Picture):
            self.picture(block)
        else:
            self.table(block)

    def paragraph(self, text: str, *, size: float, bold: bool = False, ink: str = INK) -> None:
        """Put a paragraph, broken into lines."""
        for line in wrapped(text, WIDTH, size=size, bold=bold):
            self.room(height(size))
            self.y += height(size)
            self.text(line, MARGIN, self.y, size=size, bold=bold, ink=ink)
        self.y += 0.5 * height(size)

    def picture(self, picture: Picture) -> None:
        """Put a figure with its caption below."""
        caption = wrapped(picture.caption, WIDTH, size=7.5)
        self.room(picture.height + 0.3 + height(7.5) * len(caption))
        self.y += 0.08
        below = PAPER[1] - self.y - picture.height
        places = self.figure.add_gridspec(
            3, 3, height_ratios=[self.y, picture.height, below],
            width_ratios=[MARGIN, WIDTH, PAPER[0] - MARGIN - WIDTH],
        )  # fmt: skip
        picture.draw(self.figure.add_subfigure(places[1, 1]))
        self.y += picture.height
        self.paragraph(picture.caption, size=7.5, ink="#444444")
        self.y += 0.08

    def table(self, table: Table) -> None:
        """Put a table; where it is longer than the page, its head is said again."""
        size, widths = columns(table)
        head = [
            wrapped(name, w, size=size, bold=True)
            for name, w in zip(table.head, widths, strict=True)
        ]
        rows = [
            [wrapped(cell, w, size=size) for cell, w in zip(row, widths, strict=True)]
            for row in table.rows
        ]
        tall = height(size) * max(len(lines) for lines in head) + 0.1
        self.room(0.3 + tall + sum(_tall(row, size) for row in rows[:4]))
        self.y += 0.1
        self.paragraph(table.caption, size=9, bold=True)
        self._row(head, widths, table.head, size=size, bold=True)
        for row in rows:
            if self.y + _tall(row, size) > PAPER[1] - BOTTOM:
                self.turn()
                self._row(head, widths, table.head, size=size, bold=True)
            self._row(row, widths, table.head, size=size)
        self.y += 0.06
        if table.note:
            self.paragraph(table.note, size=7, ink="#444444")
        self.y += 0.06

    def _row(
        self, cells: Sequence[Sequence[str]], widths: Sequence[float], head: Sequence[str], *,
        size: float, bold: bool = False,
    ) -> None:  # fmt: skip
        x, lines = MARGIN, max((len(cell) for cell in cells), default=1)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            left = i == 0 or head[i] in WORDY
            for n, line in enumerate(cell):
                y = self.y + (n + 1) * height(size)
                self.text(line, x if left else x + width, y, size=size, bold=bold, end=not left)
            x += width + GAP
        self.y += lines * height(size) + 0.05
        self.rule(self.y, sum(widths) + GAP * (len(widths) - 1), thick=0.8 if bold else 0.4)


def columns(table: Table) -> tuple[float, list[float]]:
    """Return the size of letters at which a table fits the page, and the width of each column.

    The first column and those of words give way where even the smallest letters are too wide.
    """
    for size in SIZES:
        widths = _natural(table, size)
        room = WIDTH - GAP * (len(widths) - 1)
        if sum(widths) <= room:
            return size, widths
    give = [i for i, name in enumerate(table.head) if i == 0 or name in WORDY]
    fixed = sum(width for i, width in enumerate(widths) if i not in give)
    share = max((room - fixed) / len(give), 0.6)
    widths = [min(width, share) if i in give else width for i, width in enumerate(widths)]
    excess = sum(widths) / room
    return size, [width / excess if excess > 1 else width for width in widths]


def _natural(table: Table, size: float) -> list[float]:
    """Return how wide each column is if only the words of its head are broken."""
    found = []
    for i, name in enumerate(table.head):
        words = [span(word, size=size, bold=True) for word in name.split() or [""]]
        cells = [span(row[i], size=size) for row in table.rows]
        if name in WORDY:
            cells = [min(width, 2.2) for width in cells]
        found.append(max(*words, *cells, 0.1))
    return found


def _tall(row: Sequence[Sequence[str]], size: float) -> float:
    return height(size) * max((len(cell) for cell in row), default=1) + 0.05


def height(size: float) -> float:
    """Return the height of a line, in inches."""
    return size * LEADING / 72


@lru_cache(maxsize=20_000)
def span(text: str, *, size: float, bold: bool = False) -> float:
    """Return how wide a text is, in inches."""
    font = FontProperties(size=size, weight="bold" if bold else "normal")
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72


def wrapped(text: str, width: float, *, size: float, bold: bool = False) -> list[str]:
    """Return a text as lines that are no wider; a word that is too long is cut.

    Example:
        >>> wrapped("one two three", 0.5, size=10)
        ['one', 'two', 'three']
    """
    lines: list[str] = []
    line = ""
    for word in text.split():
        word = _cut(word, width, size, bold)
        longer = f"{line} {word}" if line else word
        if line and span(longer, size=size, bold=bold) > width + 1e-6:
            lines, longer = [*lines, line], word
        line = longer
    return [*lines, line]


def _cut(word: str, width: float, size: float, bold: bool) -> str:
    if span(word, size=size, bold=bold) <= width + 1e-6:
        return word
    while len(word) > 1 and span(f"{word}…", size=size, bold=bold) > width:
        word = word[:-1]
    return f"{word}…"
