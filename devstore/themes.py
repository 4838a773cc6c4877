"""The shop's themes: which one is published, and the app's blocks in their JSON files.

Only what apps see of a theme is kept: `config/settings_data.json`, where app embeds stand, and the templates that take
app blocks. Shopify writes a comment in front of such files, which JSON parsers trip over; so does devstore."""

import copy
import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, cast

from devstore import calllog, ids, webhooks
from devstore.documents import PlacedBlock, Theme
from devstore.extension import Block
from devstore.orders import CommerceError
from devstore.payloads import Writer
from devstore.shops import Shop
from devstore.state import dump, load

SETTINGS = "config/settings_data.json"
TEMPLATES = {"product": "templates/product.json", "cart": "templates/cart.json"}  # those that take app blocks
FIRST_THEMES = (("Daybreak", "daybreak"), ("Harvest", "harvest"), ("Nocturne", "nocturne"))
OWN_BLOCKS = {"product": ("title", "price", "description", "buy_buttons"), "cart": ("items", "subtotal", "checkout")}
APP_TYPE = "shopify://apps/"
HEADER = """/*
 * ------------------------------------------------------------
 * IMPORTANT: The contents of this file are auto-generated.
 *
 * This file may be updated by the Shopify admin theme editor
 * or related systems. Please exercise caution as any changes
 * made to this file may be overwritten.
 * ------------------------------------------------------------
 */
"""  # https://github.com/Shopify/themekit/issues/1015


# --- Reading ---------------------------------------------------------------------------------------------------------


def all_of(shop: Shop) -> list[Theme]:
    """The shop's themes, oldest first."""
    rows = shop.database.connection().execute("SELECT document FROM themes WHERE shop_id = ? ORDER BY id", (shop.id,))
    return [load(document) for (document,) in rows]


def theme(shop: Shop, number: int) -> Theme:
    """Raises CommerceError."""
    for each in all_of(shop):
        if each["id"] == number:
            return each
    raise CommerceError(f"there is no theme {number}")


def published(shop: Shop) -> Theme:
    return next(each for each in all_of(shop) if each["role"] == "MAIN")


def blocks_in(files: Mapping[str, Any], filename: str) -> dict[str, PlacedBlock]:
    """The blocks of a file by their id, those of the theme itself included."""
    content = files[filename]
    return cast(
        dict[str, PlacedBlock],
        content["current"]["blocks"] if filename == SETTINGS else content["sections"]["main"]["blocks"],
    )


def app_blocks(shop: Shop, files: Mapping[str, Any], filename: str) -> Iterator[tuple[str, Block, PlacedBlock]]:
    """The app's blocks of a file with their ids: none when it is not installed, none that it has no more."""
    extension = shop.store.extension
    if extension is None or not shop.installed:
        return
    for block_id, placed in blocks_in(files, filename).items():
        if block := extension.block_of(placed["type"]):
            yield block_id, block, placed


def settings_of(block: Block, placed: PlacedBlock) -> dict[str, Any]:
    """The block's settings: what the merchant chose, else the defaults."""
    return block.defaults | placed.get("settings", {})


def files_shown(shop: Shop, shown: Theme) -> dict[str, str]:
    """The theme's files as texts, by name. While the app is not installed its blocks are not in them; they come back
    with it."""
    files = shown["files"]
    if not shop.installed:
        files = copy.deepcopy(files)
        for filename in files:
            taken_out(files, filename)
    return {name: HEADER + json.dumps(content, indent=2, ensure_ascii=False) + "\n" for name, content in files.items()}


def taken_out(files: dict[str, Any], filename: str) -> None:
    blocks = blocks_in(files, filename)
    for block_id in [each for each, placed in blocks.items() if placed["type"].startswith(APP_TYPE)]:
        remove(files, filename, block_id)


# --- Changing --------------------------------------------------------------------------------------------------------


def prepare(shop: Shop) -> None:
    """Give a shop that has none its first themes; the first of them is published."""
    if all_of(shop):
        return
    with shop.database.write() as connection:
        for name, look in FIRST_THEMES:
            made: Theme = {
                "id": ids.take(connection, "OnlineStoreTheme"),
                "name": name,
                "look": look,
                "role": "UNPUBLISHED" if (name, look) != FIRST_THEMES[0] else "MAIN",
                "files": first_files(),
                "draft": None,
                "created_at": shop.document["created_at"],
                "updated_at": shop.document["created_at"],
            }
            save(connection, shop, made)


def first_files() -> dict[str, Any]:
    def template(blocks: tuple[str, ...], kind: str) -> Any:
        main = {"type": f"main-{kind}", "blocks": {name: {"type": name} for name in blocks}, "block_order": [*blocks]}
        return {"sections": {"main": main}, "order": ["main"]}

    return {
        SETTINGS: {"current": {"blocks": {}}, "presets": {"Default": {}}},
        **{filename: template(OWN_BLOCKS[kind], kind) for kind, filename in TEMPLATES.items()},
    }


def save(connection: sqlite3.Connection, shop: Shop, changed: Theme) -> None:
    connection.execute("INSERT OR REPLACE INTO themes VALUES (?, ?, ?)", (changed["id"], shop.id, dump(changed)))


def publish(shop: Shop, number: int) -> Theme:
    """Make a theme the published one and tell the app. Its app embeds are its own: none is on that was not switched on
    in it. Raises CommerceError."""
    chosen = theme(shop, number)
    if chosen["role"] == "MAIN":
        raise CommerceError(f"{chosen['name']} is published already")
    with shop.database.write() as connection:
        before = published(shop)
        before["role"], chosen["role"] = "UNPUBLISHED", "MAIN"
        chosen["updated_at"] = shop.clock.now()
        save(connection, shop, before)
        save(connection, shop, chosen)
        webhooks.queue_wanted(connection, shop, "themes/publish", Writer(shop.document).theme(chosen))
    calllog.record(shop, "theme", change="publish", theme=number)
    return chosen


def place(shop: Shop, files: dict[str, Any], filename: str, block: Block, settings: Mapping[str, Any]) -> None:
    """Switch an app embed on, or add an app block, or change the settings of one that is there."""
    for _, found, placed in app_blocks(shop, files, filename):
        if found is block:
            placed["settings"] = {**placed.get("settings", {}), **settings}
            if block.embed:
                placed["disabled"] = False
            return
    assert shop.store.extension is not None
    kind = shop.store.extension.block_type(block)
    if block.embed:
        block_id = str(secrets.randbelow(9 * 10**18) + 10**18)
        blocks_in(files, filename)[block_id] = {"type": kind, "disabled": False, "settings": dict(settings)}
    else:
        block_id = f"{block.handle.replace('-', '_')}_{secrets.token_hex(3)}"
        blocks_in(files, filename)[block_id] = {"type": kind, "settings": dict(settings)}
        files[filename]["sections"]["main"]["block_order"].append(block_id)


def take(shop: Shop, files: dict[str, Any], filename: str, block: Block) -> None:
    """Switch an app embed off, which keeps its settings, or remove an app block."""
    for block_id, found, placed in list(app_blocks(shop, files, filename)):
        if found is block and block.embed:
            placed["disabled"] = True
        elif found is block:
            remove(files, filename, block_id)


def remove(files: dict[str, Any], filename: str, block_id: str) -> None:
    del blocks_in(files, filename)[block_id]
    if filename != SETTINGS:
        files[filename]["sections"]["main"]["block_order"].remove(block_id)


def find_block(shop: Shop, handle: str, template: str | None) -> tuple[Block, str]:
    """A block of the app by its file's name, and the theme file it goes into: embeds into the settings, app blocks into
    the template `product` or `cart`. Raises CommerceError."""
    extension = shop.store.extension if shop.installed else None
    block = extension.blocks.get(handle) if extension else None
    if block is None:
        raise CommerceError(f"the installed app has no block {handle!r}")
    if block.embed:
        return block, SETTINGS
    if template not in TEMPLATES or not block.allowed_on(template):
        raise CommerceError(
            f"{handle} is an app block: it goes into the template {' or '.join(TEMPLATES)} that allows it"
        )
    return block, TEMPLATES[template]


def change(
    shop: Shop, number: int, handle: str, *, on: bool, template: str | None = None, settings: Mapping[str, Any] = {}
) -> Theme:
    """Switch a block of a theme on (an app block: add it) or off, as the editor's Save does. Raises CommerceError."""
    block, filename = find_block(shop, handle, template)
    if unknown := settings.keys() - block.defaults.keys():
        raise CommerceError(f"{handle} has no setting {', '.join(sorted(unknown))}")
    changed = theme(shop, number)
    if on:
        place(shop, changed["files"], filename, block, settings)
    else:
        take(shop, changed["files"], filename, block)
    return keep(shop, changed, changed["files"])


# --- The theme editor's draft ----------------------------------------------------------------------------------------


def start_draft(shop: Shop, number: int) -> Theme:
    """Begin to change a theme: nothing is changed yet. Raises CommerceError."""
    begun = theme(shop, number)
    return set_draft(shop, begun, copy.deepcopy(begun["files"]))


def set_draft(shop: Shop, changed: Theme, files: dict[str, Any] | None) -> Theme:
    changed["draft"] = files
    with shop.database.write() as connection:
        save(connection, shop, changed)
    return changed


def keep(shop: Shop, changed: Theme, files: dict[str, Any]) -> Theme:
    """Save these files: what visitors and the app see from now on."""
    changed["files"], changed["draft"], changed["updated_at"] = files, None, shop.clock.now()
    with shop.database.write() as connection:
        save(connection, shop, changed)
    calllog.record(shop, "theme", change="save", theme=changed["id"])
    return changed
