"""Liquid as extensions may write it: Shopify's tags without those of themes, and the filters that devstore knows."""

import html
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from liquid import DictLoader, Environment, Mode, RenderContext
from liquid.builtin.tags.include_tag import IncludeTag
from liquid.extra.filters.html import script_tag, stylesheet_tag
from liquid.filter import with_context
from liquid.undefined import is_undefined

PLURALS = {0: "zero", 1: "one", 2: "two"}
NAME = re.compile(r"{{\s*(\w+)\s*}}")


class ShopifyLiquid(Environment):
    """With limits, so that no block can hold up a page. Unknown tags and broken markup raise LiquidError when
    parsed."""

    block_nesting_limit = 100
    context_depth_limit = 100
    loop_iteration_limit = 100_000
    output_stream_limit = 1_000_000


def environment(snippets: Mapping[str, str], words: Mapping[str, Any], assets_url: str) -> Environment:
    """Where an extension's blocks are parsed; `words` are its translations for shoppers by locale."""
    made = ShopifyLiquid(tolerance=Mode.STRICT, strict_filters=True, loader=DictLoader(dict(snippets)))
    del made.tags[IncludeTag.name]  # extensions have `render` only
    made.add_filter("asset_url", lambda name: f"{assets_url}/{name}")
    made.add_filter("json", as_json)
    made.add_filter("script_tag", script_tag)
    made.add_filter("stylesheet_tag", stylesheet_tag)
    for name in ("t", "translate"):
        made.add_filter(name, translator(words))
    return made


def as_json(value: Any) -> str:
    """JSON that may stand in a script element, too."""
    text = json.dumps(None if is_undefined(value) else value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def translator(words: Mapping[str, Any]) -> Callable[..., str]:
    """The `t` filter: the key's text in the page's language with `{{ name }}` filled in, escaped unless the key ends in
    `_html`. `count` chooses the plural."""

    @with_context
    def translate(key: str, *, context: RenderContext, **values: Any) -> str:
        locale = str(context.resolve("request")["locale"]["iso_code"])
        text = looked_up(words, locale, key, values.get("count"))
        if text is None:
            return f"Translation missing: {locale}.{key}"
        raw = key.endswith("_html")

        def filled(match: re.Match[str]) -> str:
            value = values.get(match[1], "")
            return str(value) if raw else html.escape(str(value))

        return NAME.sub(filled, text)

    return translate


def looked_up(words: Mapping[str, Any], locale: str, key: str, count: Any = None) -> str | None:
    """The text of a dotted key in a locale (`zh-TW`), in its language (`zh`), or in the default locale."""
    for name in (locale, locale.partition("-")[0], ""):
        found = words.get(name)
        for part in key.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if isinstance(found, dict) and isinstance(count, int):
            found = found.get(PLURALS.get(count, "other"), found.get("other"))
        if isinstance(found, str):
            return found
    return None
