"""Charts drawn on the server: pure functions from data to what a template needs to write SVG.

No library, no script, no style attribute: lengths are SVG attributes. Each chart comes in several drawings of the same
data (`DRAWINGS`), of which CSS shows the one that fits, so that text keeps its size.
"""

from retention_app.charts.area import AreaChart, AreaPoint, area_chart
from retention_app.charts.bars import Bar, BarChart, bar_chart
from retention_app.charts.drawing import DRAWINGS, Drawing
from retention_app.charts.line import LineChart, LinePoint, line_chart
from retention_app.charts.shares import ShareChart, share_chart

__all__ = [
    "DRAWINGS",
    "AreaChart",
    "AreaPoint",
    "Bar",
    "BarChart",
    "Drawing",
    "LineChart",
    "LinePoint",
    "ShareChart",
    "area_chart",
    "bar_chart",
    "line_chart",
    "share_chart",
]
