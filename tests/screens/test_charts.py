"""Charts: places, ticks, gaps and what is left out. Pure functions, no database."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_app.charts import DRAWINGS, AreaPoint, Bar, LinePoint, area_chart, bar_chart, line_chart, share_chart
from retention_app.charts.drawing import Scale, amount_ticks, share_ticks, text_width


def percent(share: float) -> str:
    return f"{share:.1%}"


def tick(share: float) -> str:
    return f"{share:.0%}"


def line(points: list[LinePoint], **options: bool):
    return line_chart(points, band=(0.27, 0.32), band_label="27–32%: common", percent=percent, tick=tick, **options)


def months(*rates: float | None, base: int = 100) -> list[LinePoint]:
    return [LinePoint(f"M{number}", rate, base) for number, rate in enumerate(rates)]


@pytest.mark.parametrize("highest", [0.01, 0.2, 0.35, 0.495, 0.6, 0.81, 1.0])
def test_ticks_start_at_zero_are_few_and_hold_the_highest(highest: float) -> None:
    ticks = share_ticks(highest)
    assert ticks[0] == 0
    assert ticks[-1] >= highest
    assert 3 <= len(ticks) <= 5


def test_scale_maps_ends_and_middle() -> None:
    scale = Scale(0, 1, 200, 0)
    assert (scale(0), scale(0.5), scale(1)) == (200, 100, 0)
    assert Scale(3, 3, 10, 20)(3) == 10


def test_line_fits_each_drawing_and_the_band_lies_where_its_shares_are() -> None:
    chart = line(months(0.1, 0.2, 0.3, 0.495))
    assert chart
    assert [drawing.drawing for drawing in chart.drawings] == list(DRAWINGS)
    for drawing in chart.drawings:
        assert all(drawing.left <= mark.x <= drawing.right for mark in drawing.marks)
        assert all(0 <= mark.y <= drawing.bottom for mark in drawing.marks)
        inside, above = drawing.marks[2], drawing.marks[3]
        assert drawing.band.y <= inside.y <= drawing.band.y + drawing.band.height
        assert above.y < drawing.band.y
        assert drawing.ticks[0].text == "0%"
        assert drawing.last
        assert drawing.last.text == "49.5%"


def test_months_few_were_counted_in_are_hollow() -> None:
    chart = line([*months(0.1, 0.2, base=29), *months(0.3, base=30)])
    assert chart
    assert [mark.hollow for mark in chart.drawings[0].marks] == [True, True, False]
    assert chart.has_hollow


def test_a_gap_stays_a_gap() -> None:
    chart = line(months(0.1, 0.2, None, 0.3, 0.4))
    assert chart
    assert len(chart.drawings[0].paths) == 2
    assert len(chart.drawings[0].marks) == 4


def test_the_running_month_is_dotted() -> None:
    chart = line(months(0.1, 0.2, 0.3), running=True)
    assert chart
    assert chart.has_running
    assert chart.drawings[0].paths[0].count("L") == 1
    assert not line(months(0.1, 0.2, 0.3)).has_running


def test_one_month_is_not_a_line() -> None:
    assert line(months(0.3)) is None
    assert line(months(None, None)) is None


def test_month_names_have_room_and_the_last_is_there() -> None:
    chart = line([LinePoint(f"Nov {2000 + number}", 0.3, 100) for number in range(36)])
    assert chart
    for drawing in chart.drawings:
        shown = drawing.months
        assert shown[-1].text == "Nov 2035"
        assert all(later.x - earlier.x >= text_width(earlier.text) for earlier, later in itertools.pairwise(shown))
        assert shown[-1].x - text_width(shown[-1].text) > shown[-2].x


def test_the_bands_name_keeps_clear_of_the_line() -> None:
    for rates in ((0.3, 0.3, 0.6, 0.6, 0.6, 0.6, 0.6), (0.6, 0.6, 0.6, 0.6, 0.6, 0.3, 0.3)):
        chart = line(months(*rates))
        assert chart
        drawing = chart.drawings[0]
        label = drawing.band.label
        begin = label.x if label.anchor == "start" else label.x - text_width(label.text)
        end = begin + text_width(label.text)
        assert all(abs(mark.y - label.y) > 12 for mark in drawing.marks if begin <= mark.x <= end)


def bar(rate: float = 0.5, base: int = 100, **fields: float) -> Bar:
    return Bar("1st to 2nd", f"of {base}", base, rate, rate - 0.1, rate + 0.1, **fields)


def bars(*given: Bar):
    return bar_chart(given, percent=percent, tick=tick, not_enough="Not enough yet")


def test_bars_are_as_long_as_their_shares_with_whisker_and_common_value() -> None:
    chart = bars(bar(0.5, common=0.27))
    assert chart
    for drawing in chart.drawings:
        row = drawing.rows[0]
        assert row.length == pytest.approx(drawing.track / 2, abs=0.2)
        assert row.low
        assert row.high
        assert row.common
        assert row.common < row.low < drawing.left + row.length < row.high < drawing.right


def test_a_step_with_few_customers_isnt_drawn() -> None:
    chart = bars(bar(), bar(base=29))
    assert chart
    few = chart.drawings[0].rows[1]
    assert (few.length, few.low, few.high, few.figure) == (None, None, None, "Not enough yet")


def test_no_chart_without_a_step_of_thirty() -> None:
    assert bars(bar(base=29)) is None
    assert bars() is None


# --- amounts over months, parts of a whole ----------------------------------------------------------------------------


@given(st.integers(0, 10**15))
def test_ticks_of_amounts_hold_the_highest_and_are_few(highest: int) -> None:
    ticks = amount_ticks(highest)
    assert ticks[0] == 0
    assert highest <= ticks[-1] <= max(2, 2 * highest)
    assert 3 <= len(ticks) <= 6
    assert len({after - before for before, after in itertools.pairwise(ticks)}) == 1


def test_an_area_starts_at_zero_and_fits_each_drawing() -> None:
    chart = area_chart([AreaPoint("Sep", 0), AreaPoint("Oct", 90), AreaPoint("Nov", 45)], amount=str, tick=str)
    assert chart
    assert [drawing.drawing for drawing in chart.drawings] == list(DRAWINGS)
    for drawing in chart.drawings:
        bottom, half, top = (mark.y for mark in (drawing.marks[0], drawing.marks[2], drawing.marks[1]))
        assert bottom - half == pytest.approx(half - top)
        assert bottom == drawing.ticks[0].y
        assert all(drawing.left <= mark.x <= drawing.right for mark in drawing.marks)
        assert drawing.line.removeprefix("M") in drawing.area
        assert drawing.marks[1].title == "Oct: 90"
        assert drawing.last.text == "45"
    assert area_chart([AreaPoint("Nov", 45)], amount=str, tick=str) is None


def test_shares_of_a_month_fill_its_bar_in_order() -> None:
    chart = share_chart(["None", "Silver", "Gold"], [("Sep", [0, 0, 0]), ("Oct", [60, 39, 1])], count=str)
    assert chart
    assert chart.key == [("None", 0), ("Silver", 2), ("Gold", 5)]
    for drawing in chart.drawings:
        [row] = drawing.rows
        assert row.title == "Oct: None 60, Silver 39, Gold 1"
        assert [share.text for share in row.shares] == ["60", "39", ""]  # no room for the last
        assert [one.x + one.width <= other.x for one, other in itertools.pairwise(row.shares)] == [True, True]
        assert row.shares[-1].x + row.shares[-1].width <= drawing.drawing.width
        assert row.shares[0].width / row.shares[1].width == pytest.approx(60 / 39, rel=0.05)
    assert share_chart(["None"], [("Sep", [0])], count=str) is None
