"""Brings locale/*/LC_MESSAGES/django.po up to date with the texts in Python and in templates: `make messages`.

Django's own makemessages needs GNU gettext; this needs Babel only. Templates go through Django's `templatize`, which
turns their tags into gettext calls; what stands between them is no Python, so Babel's JavaScript lexer reads it, which
minds no indentation. New texts appear untranslated, texts no longer used disappear; nothing is guessed ("fuzzy").
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("config", "retention_app", "loyalty")
DOMAIN = "django"
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}


def catalogue_paths() -> list[Path]:
    """The catalogues of all languages."""
    return sorted((ROOT / "locale").glob(f"*/LC_MESSAGES/{DOMAIN}.po"))


def messages_used() -> Catalog:
    """Every text the sources ask gettext for."""
    used = Catalog()
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".html", ".txt"):
                for message, context in _messages_in(path):
                    used.add(message, context=context, locations=[(path.relative_to(ROOT).as_posix(), 0)])
    return used


def _messages_in(path: Path) -> Iterator[tuple[str | tuple[str, ...], str | None]]:
    text = path.read_text()
    method, options = "python", {}
    if path.suffix != ".py":
        text = templatize(text, origin=str(path)).replace("gettext_noop(u'", "gettext_noop('")
        method, options = "javascript", {"template_string": False, "jsx": False}
    for _line, message, _comments, context in extract(
        method, io.BytesIO(text.encode()), keywords=KEYWORDS, options=options
    ):
        yield (message if isinstance(message, str) else tuple(message)), context


def main() -> int:
    used = messages_used()
    left = 0
    for path in catalogue_paths():
        with path.open("rb") as file:
            known = read_po(file, locale=path.parts[-3])
        known.update(used, no_fuzzy_matching=True, update_creation_date=False)
        known.obsolete.clear()
        with path.open("wb") as file:
            write_po(file, known, width=110, omit_header=False, sort_output=True, no_location=True)
        untranslated = [message.id for message in known if message.id and not _is_translated(message.string)]
        left += len(untranslated)
        print(f"{path.relative_to(ROOT)}: {len(known)} texts, {len(untranslated)} to translate")
    return 1 if left else 0


def _is_translated(text: str | tuple[str, ...] | list[str] | None) -> bool:
    return all(text) if isinstance(text, (tuple, list)) else bool(text)


if __name__ == "__main__":
    sys.exit(main())
