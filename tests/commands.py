"""`manage.py` for stacks: each command in a process of its own, forked from one that has imported the product already.

Standard input brings one command a line, as JSON: its arguments, and the files for what it says and complains of. Each
is answered by its exit code.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import django
from django.core.management import execute_from_command_line
from django.urls import get_resolver


def main() -> None:
    django.setup()
    assert get_resolver().url_patterns
    for line in sys.stdin:
        arguments, said, complained = json.loads(line)
        child = os.fork()
        if not child:
            _run(arguments, Path(said), Path(complained))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(arguments: list[str], said: Path, complained: Path) -> None:
    with said.open("wb") as out, complained.open("wb") as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
    execute_from_command_line(["manage.py", *arguments])
    sys.exit()


if __name__ == "__main__":
    main()
