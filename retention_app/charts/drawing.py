"""Sizes, scales and ticks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
class Label:
    x: float
    y: float
    text: str
    anchor: str = "start"


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


def amount_ticks(highest: int) -> list[int]:
    """Ticks of an axis of whole amounts that starts at 0 and holds `highest`: three to six, 1, 2 or 5 × 10ⁿ apart."""
    step = 1
    while step * 5 < highest:
        step = step * 5 // 2 if str(step).startswith("2") else step * 2
    return list(range(0, max(2, -(-highest // step)) * step + 1, step))


def month_labels(names: Sequence[str], x: Scale, baseline: float, width: float) -> list[Label]:
    """As many month names as have room, evenly spaced, the last month always among them."""
    room = max(map(text_width, names)) + 18
    every = max(1, -(-len(names) * room // (width - 40)))
    labels = []
    for number in reversed(range(len(names) - 1, -1, -int(every))):
        anchor = "end" if number == len(names) - 1 else "middle"
        place = x(number) + 8 if anchor == "end" else x(number)
        if place - text_width(names[number]) / 2 >= 0:
            labels.append(Label(round(place, 1), baseline, names[number], anchor))
    return labels


def path(places: Sequence[tuple[float, float]]) -> str:
    """A way through the places, as SVG writes it."""
    return "M" + "L".join(f"{x} {y}" for x, y in places)


def text_width(text: str, size: float = 12) -> float:
    """About how wide a text is drawn, in the units of its size. East Asian characters take a full square."""
    return sum(size * (1 if ord(char) > 0x2E7F else 0.92 if char in "%Mm" else 0.58) for char in text)
