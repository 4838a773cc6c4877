"""Themes and their files, as far as apps read them."""

import fnmatch
import hashlib
from typing import Any

from devstore import themes
from devstore.graphql.errors import bad_request
from devstore.graphql.fields import CONNECTION, Fields, Info, constant, gid, key, of, split_gid
from devstore.graphql.paging import memory_page

KIND = "OnlineStoreTheme"
MOST_FILENAMES = 50


def listed(source: Any, info: Info, roles: Any = None, names: Any = None, **page: Any) -> Any:
    found = [
        each
        for each in themes.all_of(info.context.shop)
        if (roles is None or each["role"] in roles) and (names is None or each["name"] in names)
    ]
    return memory_page(info.context, found, **page)


def one(source: Any, info: Info, id: str) -> Any:
    kind, number = split_gid(id)
    return by_number(info, number) if kind == KIND else None


def by_number(info: Info, number: int) -> Any:
    found = [each for each in themes.all_of(info.context.shop) if each["id"] == number]
    return {**found[0], "__typename": KIND} if found else None


def files(source: Any, info: Info, first: int = 50, after: str | None = None, filenames: Any = None) -> Any:
    """Files by name; `*` stands for any part of one. A plain name that is not there is a user error."""
    if filenames is not None and len(filenames) > MOST_FILENAMES:
        raise bad_request(f"filenames cannot exceed {MOST_FILENAMES}")
    shown = themes.files_shown(info.context.shop, source)
    wanted = [
        {"filename": name, "content": content, "theme": source}
        for name, content in sorted(shown.items())
        if filenames is None or any(fnmatch.fnmatchcase(name, each) for each in filenames)
    ]
    missing = [each for each in filenames or () if "*" not in each and each not in shown]
    page = memory_page(info.context, wanted, first=first, after=after)
    return {**page, "userErrors": [{"code": "NOT_FOUND", "filename": each} for each in missing]}


THEME_TYPES: dict[str, Fields] = {
    KIND: {
        "createdAt": key("created_at"),
        "files": files,
        "id": gid(KIND),
        "name": key("name"),
        "prefix": constant(""),
        "processing": constant(False),
        "processingFailed": constant(False),
        "role": key("role"),
        "themeStoreId": constant(None),
        "updatedAt": key("updated_at"),
    },
    "OnlineStoreThemeFileConnection": {**CONNECTION, "userErrors": key("userErrors")},
    "OnlineStoreThemeFile": {
        "body": lambda source, info: {"__typename": "OnlineStoreThemeFileBodyText", "content": source["content"]},
        "checksumMd5": of(lambda source: hashlib.md5(source["content"].encode(), usedforsecurity=False).hexdigest()),
        "contentType": constant("application/json"),
        "createdAt": of(lambda source: source["theme"]["created_at"]),
        "filename": key("filename"),
        "size": of(lambda source: str(len(source["content"].encode()))),
        "updatedAt": of(lambda source: source["theme"]["updated_at"]),
    },
    "OnlineStoreThemeFileBodyText": {"content": key("content")},
    "OnlineStoreThemeFileReadResult": {"code": key("code"), "filename": key("filename")},
}
THEME_QUERIES: Fields = {"theme": one, "themes": listed}
