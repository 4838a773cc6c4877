"""Counts of groups that have an order, as parts of a whole: a bar from 0 to 100 % for each month."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retention_app.charts.drawing import DRAWINGS, Drawing, Scale, text_width

SHADES = 6  # classes share-0 … share-5, from the quietest to the strongest
_ROW, _BAR, _GAP, _PADDING = 26, 20, 2, 5


@dataclass(frozen=True)
class Share:
    """A part of a bar; `text` is its count where that has room."""

    x: float
    width: float
    shade: int
    middle: float
    text: str


@dataclass(frozen=True)
class ShareRow:
    label: str
    title: str
    y: float
    text_y: float
    shares: list[Share]


@dataclass(frozen=True)
class ShareDrawing:
    drawing: Drawing
    height: float
    bar_height: int
    rows: list[ShareRow]


@dataclass(frozen=True)
class ShareChart:
    """`key` names the groups with their shades, the first group first."""

    drawings: list[ShareDrawing]
    key: list[tuple[str, int]]


def share_chart(
    groups: Sequence[str], months: Sequence[tuple[str, Sequence[int]]], *, count: Callable[[int], str]
) -> ShareChart | None:
    """A bar for each month that anybody is in, or None without any. A month has a count for each of `groups`."""
    counted = [(label, counts) for label, counts in months if sum(counts)]
    if not counted:
        return None
    shades = _shades(len(groups))
    drawings = [_draw(groups, counted, drawing, shades, count) for drawing in DRAWINGS]
    return ShareChart(drawings, list(zip(groups, shades, strict=True)))


def _shades(groups: int) -> list[int]:
    """From the quietest to the strongest, as far apart as there is room."""
    return [round(number * (SHADES - 1) / max(1, groups - 1)) for number in range(groups)]


def _draw(
    groups: Sequence[str],
    months: Sequence[tuple[str, Sequence[int]]],
    drawing: Drawing,
    shades: Sequence[int],
    count: Callable[[int], str],
) -> ShareDrawing:
    left = max(text_width(label) for label, _counts in months) + 10
    rows = []
    for number, (label, counts) in enumerate(months):
        x = Scale(0, sum(counts), left, drawing.width)
        y = number * _ROW
        titles = [f"{group} {count(people)}" for group, people in zip(groups, counts, strict=True)]
        rows.append(
            ShareRow(label, f"{label}: {', '.join(titles)}", y, y + _BAR / 2 + 4, _shares(counts, shades, x, count))
        )
    return ShareDrawing(drawing, len(months) * _ROW, _BAR, rows)


def _shares(counts: Sequence[int], shades: Sequence[int], x: Scale, count: Callable[[int], str]) -> list[Share]:
    found, before = [], 0
    for people, shade in zip(counts, shades, strict=True):
        begin, end = x(before), x(before + people)
        before += people
        width = round(max(end - begin - _GAP, 1.0), 1)
        if people:
            text = count(people)
            fits = text_width(text) + 2 * _PADDING <= width
            found.append(Share(begin, width, shade, round(begin + width / 2, 1), text if fits else ""))
    return found
