"""What the documentation points at is there: links, pictures, headings, commands, files, settings. No database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.core.management import get_commands

from config.env import ROOT

GONE_BY = {"node_modules", "var"}  # of a working copy, not of the repository
FOLDERS = [path for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "." and path.name not in GONE_BY]
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in folder.rglob("*.md"))])
# These name files from the root on. Decisions name what there was then.
GUIDES = [page for page in PAGES if page.parent in (ROOT, ROOT / "docs", ROOT / "docs/guide")]
OPERATORS = ROOT / "docs/operators.md"

FENCED = re.compile(r"^ *```.*?^ *```", re.M | re.S)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.M)
FILE = re.compile(r"[\w./-]*\w/?")


@cache
def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCED.sub("", page.read_text())


@cache
def anchors(page: Path) -> set[str]:
    """A page's headings as links name them; one that comes again gets a number."""
    found: dict[str, int] = {}
    for heading in HEADING.findall(prose(page)):
        name = re.sub(r"[^\w\s-]", "", LINK.sub(r"\1", heading).lower()).replace(" ", "-")
        found[name] = found.get(name, 0) + 1
    return {f"{name}-{n}" if n else name for name, times in found.items() for n in range(times)}


def code(pages: list[Path]) -> Iterator[tuple[str, str]]:
    """(page, code): every span of code, and every line of the blocks."""
    for page in pages:
        blocks = (line for block in FENCED.findall(page.read_text()) for line in block.splitlines()[1:-1])
        for text in (*CODE.findall(prose(page)), *blocks):
            if text.strip():
                yield page.name, text.strip()


def first_column(page: Path, heading: str) -> set[str]:
    """The code in the first column of the tables below a heading."""
    part = page.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return {name for line in part.splitlines() if line.startswith("| `") for name in CODE.findall(line.split("|")[1])}


def test_links_and_pictures_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        for _, target in LINK.findall(CODE.sub("", prose(page))):
            path, _, anchor = target.partition("#")
            there = page.parent / path if path else page
            if not re.match(r"[a-z]+:", target) and not (
                there.exists() and (not anchor or anchor in anchors(there.resolve()))
            ):
                broken.append((page.name, target))
    assert not broken


def test_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = [
        (page, made or managed)
        for page, text in code(PAGES)
        for made, managed in re.findall(r"(?:^|; |&& )make ([a-z]+)|manage\.py ([a-z_]+)", text)
    ]
    assert named
    assert not [one for one in named if one[1] not in targets | get_commands().keys()]


def test_files_exist() -> None:
    folders = {folder.name for folder in FOLDERS}
    named = [(page, word) for page, text in code(GUIDES) for word in (text.split()[0].partition("::")[0],)]
    paths = [(page, path) for page, path in named if FILE.fullmatch(path) and path.partition("/")[0] in folders]
    assert paths
    assert not [(page, path) for page, path in paths if "/" in path and not (ROOT / path).exists()]


def test_operators_read_what_every_setting_means() -> None:
    settings = set(re.findall(r"^([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    assert first_column(OPERATORS, "Settings") == settings


def test_operators_read_what_every_metric_means() -> None:
    sources = (path.read_text() for folder in ("retention_app", "loyalty") for path in (ROOT / folder).rglob("*.py"))
    made = re.compile(r"(?:Counter|Gauge|Histogram)\(\s*\"(encore_\w+)\"")
    assert first_column(OPERATORS, "Health and metrics") == {name for text in sources for name in made.findall(text)}
