"""A rate over months as a line, with a band of what is healthy behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retention_app.charts.drawing import (
    DRAWINGS,
    FEW,
    Drawing,
    Label,
    Percent,
    Scale,
    month_labels,
    path,
    share_ticks,
    text_width,
)

_TOP, _BOTTOM, _RIGHT = 22, 28, 14
_LABEL_GAP = 8


@dataclass(frozen=True)
class LinePoint:
    """A month: its label, the share (None where nobody is counted) and how many are counted."""

    label: str
    rate: float | None
    base: int


@dataclass(frozen=True)
class Mark:
    """A point on the drawing; hollow where fewer than thirty are counted."""

    x: float
    y: float
    title: str
    hollow: bool


@dataclass(frozen=True)
class Band:
    y: float
    height: float
    label: Label


@dataclass(frozen=True)
class LineDrawing:
    """Everything a template needs to write one SVG. `paths` are unbroken runs of months: a gap stays a gap."""

    drawing: Drawing
    left: float
    right: float
    bottom: float
    ticks: list[Label]
    months: list[Label]
    band: Band
    paths: list[str]
    running: str
    marks: list[Mark]
    last: Label | None

    @property
    def band_width(self) -> float:
        return round(self.right - self.left, 1)


@dataclass(frozen=True)
class LineChart:
    drawings: list[LineDrawing]

    @property
    def has_hollow(self) -> bool:
        return any(mark.hollow for mark in self.drawings[0].marks)

    @property
    def has_running(self) -> bool:
        return bool(self.drawings[0].running)


def line_chart(
    points: Sequence[LinePoint],
    *,
    band: tuple[float, float],
    band_label: str,
    percent: Percent,
    tick: Percent,
    running: bool = False,
) -> LineChart | None:
    """A line over `points` (oldest first), or None when fewer than two of them have a rate.

    `running` says that the last month isn't over: the way to it is dotted.
    """
    if sum(point.rate is not None for point in points) < 2:
        return None
    return LineChart([_draw(points, drawing, band, band_label, percent, tick, running) for drawing in DRAWINGS])


def _draw(
    points: Sequence[LinePoint],
    drawing: Drawing,
    band: tuple[float, float],
    band_label: str,
    percent: Percent,
    tick: Percent,
    running: bool,
) -> LineDrawing:
    ticks = share_ticks(max([band[1] + 0.03, *(point.rate for point in points if point.rate is not None)]))
    left = max(text_width(tick(share)) for share in ticks) + _LABEL_GAP
    right, bottom = drawing.width - _RIGHT, drawing.height - _BOTTOM
    x = Scale(0, len(points) - 1, left + 8, right - 8)
    y = Scale(0, ticks[-1], bottom, _TOP)
    marks = [
        Mark(x(number), y(point.rate), f"{point.label}: {percent(point.rate)}", point.base < FEW)
        for number, point in enumerate(points)
        if point.rate is not None
    ]
    places = [None if point.rate is None else (x(number), y(point.rate)) for number, point in enumerate(points)]
    dotted = ""
    if running and len(places) > 1 and places[-1] and places[-2]:
        dotted = path([places[-2], places[-1]])
        places = places[:-1]
    return LineDrawing(
        drawing=drawing,
        left=round(left, 1),
        right=right,
        bottom=bottom,
        ticks=[Label(round(left - _LABEL_GAP, 1), y(share), tick(share), "end") for share in ticks],
        months=month_labels([point.label for point in points], x, bottom + 19, drawing.width),
        band=Band(
            y(band[1]),
            round(y(band[0]) - y(band[1]), 1),
            _band_label(band_label, marks, left + 6, right - 6, y(band[1]) - 5, y(band[0]) + 14),
        ),
        paths=[path(run) for run in _runs(places) if len(run) > 1],
        running=dotted,
        marks=marks,
        last=_last_label(points, marks, percent),
    )


def _band_label(text: str, marks: Sequence[Mark], left: float, right: float, above: float, below: float) -> Label:
    """The band's name at whichever of its four corners the line stays furthest away from."""
    width = text_width(text)

    def distance(label: Label) -> float:
        begin = label.x if label.anchor == "start" else label.x - width
        near = [mark for mark in marks if begin - 24 <= mark.x <= begin + width + 24]
        return min((abs(mark.y - (label.y - 4)) for mark in near), default=1000)

    corners = [
        Label(round(x, 1), round(y, 1), text, anchor)
        for y in (above, below)
        for x, anchor in ((right, "end"), (left, "start"))
    ]
    return max(corners, key=distance)


def _last_label(points: Sequence[LinePoint], marks: Sequence[Mark], percent: Percent) -> Label | None:
    last = next((point for point in reversed(points) if point.rate is not None), None)
    if last is None or last.rate is None:
        return None
    return Label(round(marks[-1].x + 4, 1), round(marks[-1].y - 10, 1), percent(last.rate), "end")


def _runs(places: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for place in places:
        if place is None:
            runs.append([])
        else:
            runs[-1].append(place)
    return [run for run in runs if run]
