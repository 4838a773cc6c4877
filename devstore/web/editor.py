"""The merchant's themes: the list of them, and the theme editor, which shows a page of the store beside the app's
blocks.

The editor is one form with everything in it. What it says is the theme's draft, which the frame shows; Save makes it
the theme's own."""

import copy
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from devstore import commerce, themes
from devstore.documents import PlacedBlock, Theme
from devstore.extension import Block, setting_value
from devstore.orders import CommerceError
from devstore.web import blocks, presenting, texts
from devstore.web.admin import show
from devstore.web.visit import Visit, page

TEMPLATES = {"index": "Home", "product": "Product", "cart": "Cart"}
EMBED, ADDED = "embed", "added"  # what a form's fields begin with: `embed:<block>`, `added:<template>:<block>`
SETTING = "setting"  # `setting:<place>:<block>:<id>`, where the place is a template or ''
MAIN_SECTION = "mainSection"


def listed(visit: Visit) -> Response:
    return show(visit, "admin/themes.html", themes=themes.all_of(visit.shop))


def publish(visit: Visit) -> Response:
    try:
        published = themes.publish(visit.shop, visit.request.path_params["theme"])
        visit.say(visit.text("{theme} is published.", theme=published["name"]))
    except CommerceError as problem:
        visit.say(str(problem), problem=True)
    return visit.redirect("/admin/themes")


# --- The editor ------------------------------------------------------------------------------------------------------


def current(visit: Visit) -> Response:
    """Where apps' deep links lead: the published theme's editor."""
    return opened(visit, themes.published(visit.shop))


def editor(visit: Visit) -> Response:
    try:
        return opened(visit, themes.theme(visit.shop, visit.request.path_params["theme"]))
    except CommerceError as problem:
        visit.say(str(problem), problem=True)
        return visit.redirect("/admin/themes")


def opened(visit: Visit, theme: Theme) -> Response:
    """The editor of a theme: as saved, or with the draft that was just made. `activateAppId=<client id>/<block>`
    switches an app embed on in it, `addAppBlockId=<client id>/<block>&target=mainSection` adds an app block, both
    unsaved:
    https://shopify.dev/docs/apps/build/online-store/theme-app-extensions/configuration#deep-linking"""
    if theme["draft"] is None or not visit.query("draft"):
        theme = themes.set_draft(visit.shop, theme, copy.deepcopy(theme["files"]))
        try:
            follow_deep_link(visit, theme)
        except CommerceError as problem:
            visit.say(str(problem), problem=True)
    return drawn(visit, theme, template_of(visit.query("template")))


def follow_deep_link(visit: Visit, theme: Theme) -> None:
    """Raises CommerceError for an app or a block that is not there."""
    for name in ("activateAppId", "addAppBlockId"):
        if not visit.query(name):
            continue
        client_id, _, handle = visit.query(name).rpartition("/")
        if client_id != visit.shop.store.config.api_key:
            raise CommerceError(visit.text("The link names an app that is not installed."))
        if name == "addAppBlockId" and visit.query("target") != MAIN_SECTION:
            raise CommerceError(visit.text("Devstore adds app blocks to the main section only."))
        block, filename = themes.find_block(visit.shop, handle, visit.query("template"))
        assert theme["draft"] is not None
        themes.place(visit.shop, theme["draft"], filename, block, {})
        themes.set_draft(visit.shop, theme, theme["draft"])


def changed(visit: Visit) -> Response:
    """The editor's form: everything in it becomes the draft. `save` keeps it; a script that only wants the frame to
    show it asks with `quiet`."""
    try:
        theme = themes.theme(visit.shop, visit.request.path_params["theme"])
        files = written(visit, theme)
        template = template_of(visit.field("template"))
        if visit.field("save"):
            themes.keep(visit.shop, theme, files)
            visit.say(visit.text("{theme} is saved.", theme=theme["name"]))
        else:
            themes.set_draft(visit.shop, theme, files)
    except (CommerceError, ValueError) as problem:
        if visit.field("quiet"):
            return Response(str(problem), 422)
        visit.say(str(problem), problem=True)
        return visit.redirect("/admin/themes")
    if visit.field("quiet"):
        return Response(status_code=204)
    where = {"template": template_of(visit.field("show") or template), "draft": "1"}
    return visit.redirect(f"/admin/themes/{theme['id']}/editor?{urlencode(where)}")


def written(visit: Visit, theme: Theme) -> dict[str, Any]:
    """The theme's files with what the form says of the app's blocks. Raises CommerceError or ValueError."""
    shop, files = visit.shop, copy.deepcopy(theme["files"])
    for place, block in places(visit):
        _, filename = themes.find_block(shop, block.handle, place)
        named = f"{EMBED}:{block.handle}" if block.embed else f"{ADDED}:{place}:{block.handle}"
        key = named.partition(":")[2]
        if (visit.field(named) or visit.field("add") == key) and visit.field("remove") != key:
            themes.place(shop, files, filename, block, settings_in(visit, place, block))
        else:
            themes.take(shop, files, filename, block)
    return files


def places(visit: Visit) -> list[tuple[str, Block]]:
    """Where each of the app's blocks may stand: app embeds at '', app blocks in templates."""
    extension = visit.shop.store.extension if visit.shop.installed else None
    return [
        (place, block)
        for block in (extension.blocks.values() if extension else ())
        for place in ([""] if block.embed else [each for each in themes.TEMPLATES if block.allowed_on(each)])
    ]


def settings_in(visit: Visit, place: str, block: Block) -> dict[str, Any]:
    """The block's settings as the form has them. Raises ValueError."""
    found = {}
    for setting in block.settings:
        name = f"{SETTING}:{place}:{block.handle}:{setting.get('id')}"
        if name in visit.form:
            found[setting["id"]] = setting_value(setting, str(visit.form.getlist(name)[-1]))
    return found


# --- Drawing it ------------------------------------------------------------------------------------------------------


def template_of(name: str) -> str:
    return name if name in TEMPLATES else "index"


def drawn(visit: Visit, theme: Theme, template: str) -> Response:
    draft = theme["draft"] or theme["files"]
    rows = [row(visit, draft, place, block) for place, block in places(visit)]
    return show(
        visit,
        "admin/editor.html",
        theme=theme,
        shown=template,
        templates=TEMPLATES,
        embeds=[each for each in rows if not each["place"]],
        app_blocks=[each for each in rows if each["place"]],
        unsaved=draft != theme["files"],
        activated=visit.query("activateAppId").rpartition("/")[2],
        frame_url=frame_url(visit, theme, template),
    )


def row(visit: Visit, files: dict[str, Any], place: str, block: Block) -> dict[str, Any]:
    """A block as the editor lists it."""
    extension = visit.shop.store.extension
    assert extension is not None
    locale = texts.SHOPIFY_LOCALES[visit.locale]
    _, filename = themes.find_block(visit.shop, block.handle, place)
    there = [one for _, found, one in themes.app_blocks(visit.shop, files, filename) if found is block]
    placed: PlacedBlock = there[0] if there else {"disabled": True}
    settings = themes.settings_of(block, placed)
    return {
        "handle": block.handle,
        "name": extension.label(block.name, locale),
        "place": place,
        "on": not placed.get("disabled"),
        "settings": [
            setting_row(setting, place, block, settings, locale, extension.label) for setting in block.settings
        ],
    }


def setting_row(
    setting: dict[str, Any], place: str, block: Block, values: dict[str, Any], locale: str, label: Any
) -> dict[str, Any]:
    said = {name: label(setting.get(name, ""), locale) for name in ("label", "info", "content")}
    options = [{**each, "label": label(each["label"], locale)} for each in setting.get("options", ())]
    value = values.get(setting.get("id", ""))
    return {
        **setting,
        **said,
        "name": f"{SETTING}:{place}:{block.handle}:{setting.get('id')}",
        "options": options,
        "value": "" if value is None else value,
    }


def frame_url(visit: Visit, theme: Theme, template: str) -> str:
    """The page of the store that the frame shows, with the draft."""
    paths = {"index": "/", "cart": "/cart", "product": "/collections/all"}
    on_sale = [each for each in commerce.products(visit.shop) if each["status"] == "ACTIVE"]
    if template == "product" and on_sale:
        paths["product"] = presenting.product_url(on_sale[0])
    return f"{paths[template]}?{urlencode({blocks.EDITOR_PARAMETER: theme['id']})}"


ROUTES = [
    page("/admin/themes", listed, area="admin"),
    page("/admin/themes/current/editor", current, area="admin"),
    page("/admin/themes/{theme:int}/editor", editor, area="admin"),
    page("/admin/themes/{theme:int}/editor", changed, methods=("POST",), area="admin"),
    page("/admin/themes/{theme:int}/publish", publish, methods=("POST",), area="admin"),
]
