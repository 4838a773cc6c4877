"""An amount over months as an area from zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retention_app.charts.drawing import DRAWINGS, Drawing, Label, Scale, amount_ticks, month_labels, path, text_width

_TOP, _BOTTOM, _RIGHT = 26, 28, 14
_LABEL_GAP = 8

Amount = Callable[[int], str]


@dataclass(frozen=True)
class AreaPoint:
    """The end of a month: its label and the amount then, zero or more."""

    label: str
    amount: int


@dataclass(frozen=True)
class AreaMark:
    x: float
    y: float
    title: str


@dataclass(frozen=True)
class AreaDrawing:
    """Everything a template needs to write one SVG: `line` is the upper edge of `area`."""

    drawing: Drawing
    left: float
    right: float
    ticks: list[Label]
    months: list[Label]
    area: str
    line: str
    marks: list[AreaMark]
    last: Label


@dataclass(frozen=True)
class AreaChart:
    drawings: list[AreaDrawing]


def area_chart(points: Sequence[AreaPoint], *, amount: Amount, tick: Amount) -> AreaChart | None:
    """An area under `points` (oldest first), or None for fewer than two. `tick` writes an amount in short."""
    if len(points) < 2:
        return None
    return AreaChart([_draw(points, drawing, amount, tick) for drawing in DRAWINGS])


def _draw(points: Sequence[AreaPoint], drawing: Drawing, amount: Amount, tick: Amount) -> AreaDrawing:
    ticks = amount_ticks(max(point.amount for point in points))
    left = max(text_width(tick(value)) for value in ticks) + _LABEL_GAP
    right, bottom = drawing.width - _RIGHT, drawing.height - _BOTTOM
    x = Scale(0, len(points) - 1, left + 8, right - 8)
    y = Scale(0, ticks[-1], bottom, _TOP)
    places = [(x(number), y(point.amount)) for number, point in enumerate(points)]
    marks = [
        AreaMark(*place, f"{point.label}: {amount(point.amount)}") for place, point in zip(places, points, strict=True)
    ]
    return AreaDrawing(
        drawing=drawing,
        left=round(left, 1),
        right=right,
        ticks=[Label(round(left - _LABEL_GAP, 1), y(value), tick(value), "end") for value in ticks],
        months=month_labels([point.label for point in points], x, bottom + 19, drawing.width),
        area=path([(places[0][0], bottom), *places, (places[-1][0], bottom)]) + "Z",
        line=path(places),
        marks=marks,
        last=Label(round(places[-1][0] + 4, 1), round(places[-1][1] - 10, 1), amount(points[-1].amount), "end"),
    )
