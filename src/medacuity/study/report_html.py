"""A report as one HTML file that needs nothing else: no script, no network."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

from medacuity.study.report_blocks import Block, Heading, Picture, Table, Words

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: #1b1b1b;
  background: #fff; max-width: 60rem; margin: 2rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 2px solid #0072b2;
  overflow-wrap: anywhere; }
p { margin: .5rem 0; max-width: 46rem; overflow-wrap: anywhere; }
figure { margin: 1.75rem 0; }
figure img { width: 100%; height: auto; display: block; }
figcaption, .note { color: #444; font-size: .875rem; max-width: 46rem; margin-top: .4rem; }
.table { overflow-x: auto; margin: 1.75rem 0 .25rem; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; font-size: 1rem; padding-bottom: .35rem; }
th, td { padding: .28rem .7rem; text-align: right; border-bottom: 1px solid #ddd;
  white-space: nowrap; }
td.words, th.words { white-space: normal; min-width: 12rem; text-align: left; }
thead th { border-bottom: 2px solid #888; vertical-align: bottom; white-space: normal; }
th:first-child { text-align: left; font-weight: 600; }
tbody th:first-child { font-weight: 500; white-space: normal; min-width: 7rem; max-width: 20rem;
  overflow-wrap: anywhere; }
.table:focus-visible { outline: 2px solid #0072b2; outline-offset: 2px; }
tbody tr:hover { background: #f3f7fa; }
@media print { body { max-width: none; margin: 0; font-size: 11px; } .table { overflow: visible; }
  figure, tr { break-inside: avoid; } h2 { break-after: avoid; } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
WORDY = ("what it says", "flagged")


def html(blocks: Sequence[Block], drawn: Mapping[str, bytes]) -> str:
    """Return a report as a page: figures are inside it, every name is escaped.

    Args:
        blocks: What stands in it, the title first.
        drawn: The figures as SVG, by name.
    """
    title = next((b.text for b in blocks if isinstance(b, Heading)), "Rating study")
    body = "\n".join(_block(block, drawn) for block in blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _block(block: Block, drawn: Mapping[str, bytes]) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
    if isinstance(block, Words):
        return f"<p>{escape(block.text)}</p>"
    if isinstance(block, Picture):
        return _picture(block, drawn[block.name])
    return _table(block)


def _picture(picture: Picture, drawn: bytes) -> str:
    data = base64.b64encode(drawn).decode()
    return (
        f'<figure><img alt="{escape(picture.words)}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
    )


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col"{_kind(name)}>{escape(name)}</th>' for name in table.head)
    rows = "\n".join(f"<tr>{_cells(table, row)}</tr>" for row in table.rows)
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    caption = escape(table.caption)
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{caption}">'
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody></table></div>{note}"
    )


def _cells(table: Table, row: Sequence[str]) -> str:
    first, *others = row
    cells = [f'<th scope="row">{escape(first)}</th>']
    for name, text in zip(table.head[1:], others, strict=True):
        cells.append(f"<td{_kind(name)}>{escape(text)}</td>")
    return "".join(cells)


def _kind(name: str) -> str:
    """Return what marks a column of words rather than numbers."""
    return ' class="words"' if name in WORDY else ""
