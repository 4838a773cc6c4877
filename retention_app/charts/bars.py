"""Shares as horizontal bars from 0 to 100 %, those of a sample with their 95 % interval, and a common value if any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retention_app.charts.drawing import DRAWINGS, FEW, Drawing, Percent, Scale

_TOP, _ROW, _BAR, _AXIS = 4, 58, 18, 26


@dataclass(frozen=True)
class Bar:
    """A share with the interval it lies in, where it is a sample's. `count` is the text beside it, `common` what many
    others see."""

    label: str
    count: str
    base: int
    rate: float
    low: float | None = None
    high: float | None = None
    common: float | None = None

    @property
    def enough(self) -> bool:
        return self.low is None or self.base >= FEW


@dataclass(frozen=True)
class BarRow:
    """A bar's places. `length`, `low`, `high` are None where there are too few cases to draw it."""

    bar: Bar
    text_y: float
    y: float
    middle: float
    length: float | None
    low: float | None
    high: float | None
    common: float | None
    figure: str

    @property
    def whisker_top(self) -> float:
        return self.middle - 4

    @property
    def whisker_bottom(self) -> float:
        return self.middle + 4

    @property
    def tick_top(self) -> float:
        return self.y - 4

    @property
    def tick_bottom(self) -> float:
        return self.y + _BAR + 4


@dataclass(frozen=True)
class BarDrawing:
    drawing: Drawing
    height: float
    left: float
    right: float
    track: float
    bar_height: int
    rows: list[BarRow]
    ticks: list[tuple[float, str, str]]  # place, text, anchor
    axis_y: float


@dataclass(frozen=True)
class BarChart:
    drawings: list[BarDrawing]


def bar_chart(bars: Sequence[Bar], *, percent: Percent, tick: Percent, not_enough: str) -> BarChart | None:
    """The bars in their order, or None when none can be drawn: a sample has to have thirty cases. `not_enough` stands
    where a bar doesn't."""
    if not any(bar.enough for bar in bars):
        return None
    return BarChart([_draw(bars, drawing, percent, tick, not_enough) for drawing in DRAWINGS])


def _draw(bars: Sequence[Bar], drawing: Drawing, percent: Percent, tick: Percent, not_enough: str) -> BarDrawing:
    left, right = 1.0, drawing.width - 1.0
    x = Scale(0, 1, left, right)
    rows = []
    for number, bar in enumerate(bars):
        top = _TOP + number * _ROW
        rows.append(
            BarRow(
                bar=bar,
                text_y=top + 13,
                y=top + 22,
                middle=top + 22 + _BAR / 2,
                length=round(x(bar.rate) - left, 1) if bar.enough else None,
                low=x(bar.low) if bar.enough and bar.low is not None else None,
                high=x(bar.high) if bar.enough and bar.high is not None else None,
                common=x(bar.common) if bar.common is not None else None,
                figure=percent(bar.rate) if bar.enough else not_enough,
            )
        )
    axis_y = _TOP + len(bars) * _ROW
    ticks = [(x(0), tick(0), "start"), (x(0.5), tick(0.5), "middle"), (x(1), tick(1), "end")]
    return BarDrawing(
        drawing=drawing,
        height=axis_y + _AXIS,
        left=left,
        right=right,
        track=round(right - left, 1),
        bar_height=_BAR,
        rows=rows,
        ticks=ticks,
        axis_y=axis_y,
    )
