"""Print the coverage of the modules named in pyproject.toml, [tool.encore.coverage], from the last run's data.

Fails when lines or branches of a group fall below the minimum, or when a group names no measured file.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["encore"]["coverage"]
    minimum: float = settings["minimum"]
    measured = measured_files()
    failed = False
    print(f"Coverage of the modules that must not be wrong (at least {minimum} % each)")
    for group, patterns in settings["groups"].items():
        summaries = [summary for path, summary in measured.items() if any(fnmatch(path, p) for p in patterns)]
        if not summaries:
            failed = True
            print(f"  {group:<12} NO MEASURED FILE matches {', '.join(patterns)}")
            continue
        lines = percent(summaries, "covered_lines", "num_statements")
        branches = percent(summaries, "covered_branches", "num_branches")
        good = min(lines, branches) >= minimum
        failed |= not good
        print(f"  {group:<12} lines {lines:6.2f} %  branches {branches:6.2f} %  {'' if good else 'TOO LOW'}".rstrip())
    return int(failed)


def measured_files() -> dict[str, dict[str, Any]]:
    """Path in the repository → coverage's summary of the file."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        subprocess.run([sys.executable, "-m", "coverage", "json", "-q", "-o", report], cwd=ROOT, check=True)
        files = json.loads(report.read_text())["files"]
    return {path: file["summary"] for path, file in files.items()}


def percent(summaries: list[dict[str, Any]], covered: str, total: str) -> float:
    """Without branches, all of them are covered."""
    whole = sum(summary[total] for summary in summaries)
    return 100 * sum(summary[covered] for summary in summaries) / whole if whole else 100.0


if __name__ == "__main__":
    sys.exit(main())
