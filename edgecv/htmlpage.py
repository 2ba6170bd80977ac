"""The parts of an HTML page that needs nothing beside it: tables, pictures, headings."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import cv2

from edgecv.types import Image

QUALITY = 85
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.25rem; margin-top: 2.5rem; border-top: 1px solid #ccc;
       padding-top: 1rem } h3 { font-size: 1rem; margin-top: 1.5rem }
table { border-collapse: collapse } td, th { padding: .15rem .8rem .15rem 0; text-align: left;
       vertical-align: top } td.n { text-align: right; font-variant-numeric: tabular-nums;
       white-space: nowrap }
img, svg { max-width: 100%; height: auto } figure { display: inline-block; margin: 0 1rem 1rem 0;
       vertical-align: top } figcaption { font-size: .85rem; color: #555; max-width: 45rem;
       overflow-wrap: anywhere }
.held { color: #1d6b33; font-weight: bold } .broken { color: #a00; font-weight: bold }
.note { color: #555 }
"""


def page(title: str, parts: Sequence[str]) -> str:
    """Return a whole page.

    Args:
        title: Text.
        parts: HTML.
    """
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>\n{body}\n</body></html>\n"
    )


def heading(text: str, level: int = 2) -> str:
    """Return a heading."""
    return f"<h{level}>{html.escape(text)}</h{level}>"


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph; `kind` is "held", "broken", "note" or nothing."""
    mark = f' class="{kind}"' if kind else ""
    return f"<p{mark}>{html.escape(text)}</p>"


def table(rows: Sequence[Sequence[str]], *, head: bool = True) -> str:
    """Return a table of text; cells that begin with a digit or sign are flush right.

    Args:
        rows: The heading first, where there is one.
        head: Whether there is.
    """
    lines = []
    for number, row in enumerate(rows):
        if head and not number:
            cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in row)
        else:
            cells = "".join(_cell(cell) for cell in row)
        lines.append(f"<tr>{cells}</tr>")
    return f"<table>{''.join(lines)}</table>"


def figure(content: str, caption: str) -> str:
    """Return a picture, as HTML, with what it shows below it."""
    return f"<figure>{content}<figcaption>{html.escape(caption)}</figcaption></figure>"


def picture(image: Image, text: str) -> str:
    """Return an image, uint8 (H, W, 3) BGR, with the text for who cannot see it."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    encoded = base64.b64encode(data.tobytes()).decode()
    return f'<img alt="{html.escape(text)}" src="data:image/jpeg;base64,{encoded}">'


def _cell(text: str) -> str:
    number = text[:1].isdigit() or (text[:1] in "-+" and text[1:2].isdigit())
    mark = ' class="n"' if number else ""
    return f"<td{mark}>{html.escape(text)}</td>"
