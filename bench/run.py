"""One benchmark in a process of its own: `python -m bench.run NAME [SIZE=NUMBER ...]`."""

import sys

from bench.__main__ import run

run(sys.argv[1], {name: int(number) for name, number in (size.split("=") for size in sys.argv[2:])})
