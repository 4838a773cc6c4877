"""The words of devstore's pages. English is the key; 繁體中文 stands beside it. Product names stay as they are."""

import json
from pathlib import Path
from typing import Any

ENGLISH = "en"
CHINESE = "zh-Hant"
LANGUAGES = ((ENGLISH, "English"), (CHINESE, "繁體中文"))
BABEL_LOCALES = {ENGLISH: "en", CHINESE: "zh_Hant_TW"}
SHOPIFY_LOCALES = {ENGLISH: "en", CHINESE: "zh-TW"}  # as Shopify names them, in `window.Shopify` and to apps

CHINESE_TEXTS: dict[str, str] = json.loads((Path(__file__).parent / "zh-Hant.json").read_text())


def known_locale(text: str) -> str | None:
    """The language a `locale` parameter means, whichever way it is written; None for one there is no text in."""
    name = text.lower().replace("_", "-")
    if name.startswith("en"):
        return ENGLISH
    return CHINESE if name.startswith(("zh-hant", "zh-tw", "zh-hk")) else None


def translate(locale: str, english: str, **values: Any) -> str:
    """The text in that language, with `{name}` filled in; English where a translation is missing."""
    text = CHINESE_TEXTS.get(english, english) if locale == CHINESE else english
    return text.format(**values) if values else text
