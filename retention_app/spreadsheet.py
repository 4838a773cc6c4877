"""Files that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARK = "\ufeff"  # or spreadsheets take UTF-8 for something else

Row = Sequence[object]
Answer = TypeVar("Answer", HttpResponse, StreamingHttpResponse)


def csv_file(name: str, header: Sequence[str], rows: Iterable[Row]) -> HttpResponse:
    """A download called `name`.csv. Text that a spreadsheet would take for a formula is kept from being one."""
    answer = HttpResponse("".join(_pieces(header, [rows])))
    return _download(answer, name)


def csv_stream(
    request: HttpRequest, name: str, header: Sequence[str], batches: Iterable[Iterable[Row]]
) -> StreamingHttpResponse:
    """The same, sent batch by batch: what is sent needs no more memory however much follows. The batches are asked for
    after the view has answered, so that they have to open the shop's scope themselves."""
    pieces = _pieces(header, batches)
    answer = StreamingHttpResponse(_piece_by_piece(pieces) if isinstance(request, ASGIRequest) else pieces)
    return _download(answer, name)


def _pieces(header: Sequence[str], batches: Iterable[Iterable[Row]]) -> Iterator[str]:
    yield _MARK + _lines([header])
    for rows in batches:
        yield _lines(rows)


def _lines(rows: Iterable[Row]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([safe_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


async def _piece_by_piece(pieces: Iterator[str]) -> AsyncIterator[str]:
    """An ASGI server would otherwise collect all pieces before it sends the first."""
    following = sync_to_async(lambda: next(pieces, None))
    while (piece := await following()) is not None:
        yield piece


def _download(answer: Answer, name: str) -> Answer:
    answer["Content-Type"] = "text/csv; charset=utf-8"
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def safe_cell(cell: object) -> object:
    """The cell as it is, text that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
