"""Sizes, scales and ticks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Percent = Callable[[float], str]  # 0.495 -> "49.5%", in the reader's language

FEW = 30  # a ratio below this many cases is no finding yet


@dataclass(frozen=True)
class Drawing:
    """One drawing of a chart: its name is its CSS class (`chart-<name>`), its size is in SVG user units."""

    name: str
    width: int
    height: int


DRAWINGS = (Drawing("wide", 720, 280), Drawing("half", 440, 260), Drawing("narrow", 342, 248))


@dataclass(frozen=True)
class Scale:
    """Maps a value between `low` and `high` to a place between `start` and `end`, to a tenth of a unit."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        if self.high == self.low:
            return round(self.start, 1)
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def share_ticks(highest: float) -> list[float]:
    """Ticks of an axis of shares that starts at 0 and holds `highest`: three to five of them, at round places."""
    for step in (0.1, 0.2, 0.25):
        count = -(-round(highest * 1000) // round(step * 1000))
        if count <= 4:
            return [round(step * number, 2) for number in range(max(int(count), 2) + 1)]
    return [0.0, 0.25, 0.5, 0.75, 1.0]


def text_width(text: str, size: float = 12) -> float:
    """About how wide a text is drawn, in the units of its size. East Asian characters take a full square."""
    return sum(size * (1 if ord(char) > 0x2E7F else 0.92 if char in "%Mm" else 0.58) for char in text)
