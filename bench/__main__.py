"""`make bench`: every benchmark, one JSON line each, on a PostgreSQL of its own.

python -m bench [NAME ...] [SIZE=NUMBER ...]

A size is a parameter of the benchmark's `run`: `python -m bench ledger members=2000`.
"""

from __future__ import annotations

import importlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import migrated

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ("imports", "posting", "ledger", "regular", "people", "intake", "session", "cdnow", "lighthouse")
_OWN_DATABASE = frozenset(BENCHMARKS) - {"cdnow", "lighthouse"}  # they run whole installations


def main() -> None:
    sizes = [argument for argument in sys.argv[1:] if "=" in argument]
    names = [argument for argument in sys.argv[1:] if "=" not in argument] or list(BENCHMARKS)
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}.")
    with tempfile.TemporaryDirectory() as folder:
        servers = {**os.environ, "POSTGRES_FSYNC": "on"}
        subprocess.run([ROOT / "tools/services.sh", "start", folder], check=True, stdout=sys.stderr, env=servers)
        try:
            lines = (Path(folder) / "services.env").read_text().splitlines()
            os.environ.update(line.split("=", 1) for line in lines)
            for name in names:
                # A process each: one benchmark's memory and caches are none of the next one's business.
                subprocess.run([sys.executable, "-m", "bench.run", name, *sizes], cwd=ROOT, check=True)
        finally:
            subprocess.run([ROOT / "tools/services.sh", "stop", folder], check=True, stdout=sys.stderr)


def run(name: str, sizes: dict[str, int]) -> None:
    """Run one benchmark in this process and print its line."""
    if name in _OWN_DATABASE:
        _database_make()
    print(json.dumps({"bench": name, **importlib.import_module(f"bench.{name}").run(**sizes)}), flush=True)


def _database_make() -> None:
    """A migrated database of this process's own; it goes with the server."""
    name = f"bench_{secrets.token_hex(4)}"
    migrated.postgresql_create(name)
    os.environ.update(migrated.postgresql_urls(name), DJANGO_SETTINGS_MODULE="config.settings.test")
    import django

    django.setup()


if __name__ == "__main__":
    main()
