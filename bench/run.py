"""One benchmark in a process of its own: `python -m bench.run NAME`."""

import sys

from bench.__main__ import run

run(sys.argv[1])
