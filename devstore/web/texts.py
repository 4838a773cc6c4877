"""The words of devstore's pages. English is the key; each other language has a file. Product names stay as they are."""

import json
from pathlib import Path
from typing import Any

ENGLISH = "en"
LANGUAGES = (
    (ENGLISH, "English"),
    ("zh-Hans", "简体中文"),
    ("zh-Hant", "繁體中文"),
    ("pt-BR", "Português (Brasil)"),
    ("es", "Español"),
)
BABEL_LOCALES = {ENGLISH: "en", "zh-Hans": "zh_Hans_CN", "zh-Hant": "zh_Hant_TW", "pt-BR": "pt_BR", "es": "es"}
# As Shopify names them, in `window.Shopify` and to apps.
SHOPIFY_LOCALES = {ENGLISH: "en", "zh-Hans": "zh-CN", "zh-Hant": "zh-TW", "pt-BR": "pt-BR", "es": "es"}
TEXTS: dict[str, dict[str, str]] = {
    code: json.loads((Path(__file__).parent / f"{code}.json").read_text()) for code, _name in LANGUAGES[1:]
}

_WRITTEN = {
    "en": ENGLISH,
    "zh-hant": "zh-Hant",
    "zh-tw": "zh-Hant",
    "zh-hk": "zh-Hant",
    "zh": "zh-Hans",
    "pt": "pt-BR",
    "es": "es",
}


def known_locale(text: str) -> str | None:
    """The language a `locale` parameter means, whichever way it is written; None for one there is no text in."""
    name = text.lower().replace("_", "-")
    return next((code for start, code in _WRITTEN.items() if name.startswith(start)), None)


def translate(locale: str, english: str, **values: Any) -> str:
    """The text in that language, with `{name}` filled in; English where a translation is missing."""
    text = TEXTS.get(locale, {}).get(english, english)
    return text.format(**values) if values else text
