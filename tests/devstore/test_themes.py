"""Themes and the app's theme app extension: deployed, switched on, drawn in pages, read through the Admin API."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from devstore.extension import Extension, ExtensionError
from tests.devstore.conftest import API_KEY, EXTENSION, ROOT, Devstore, Start

READ = """
query ($names: [String!]) {
  themes(first: 5, roles: [MAIN]) {
    nodes {
      id name role updatedAt processing
      files(filenames: $names, first: 5) {
        nodes {
          filename size contentType checksumMd5 updatedAt
          body { ... on OnlineStoreThemeFileBodyText { content } ... on OnlineStoreThemeFileBodyUrl { url } }
        }
        userErrors { code filename }
      }
    }
  }
}
"""
SETTINGS = "config/settings_data.json"


def attributes(page: str) -> dict[str, str]:
    """What the fixture's embed wrote down; {} where it is not."""
    found = re.search(r'<div\s+id="dummy"(.*?)>', page, re.DOTALL)
    return dict(re.findall(r'data-([\w-]+)="(.*?)"', found[1])) if found else {}


def main_settings(devstore: Devstore) -> Any:
    (theme,) = devstore.query(READ, {"names": [SETTINGS]})["themes"]["nodes"]
    content = theme["files"]["nodes"][0]["body"]["content"]
    comment, _, document = content.partition("*/")
    assert comment.startswith("/*")
    return json.loads(document)["current"]["blocks"]


def handle(devstore: Devstore) -> str:
    return str(devstore.get("products")["products"][0]["handle"])


# --- deploying -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("templates/x.liquid", "", "only assets, blocks, locales, snippets"),
        ("blocks/sub/x.liquid", "", "only assets"),
        ("assets/x.html", "", "files in assets end in"),
        ("blocks/x.liquid", "<p></p>", "a block has one {% schema %}"),
        (
            "blocks/x.liquid",
            '{% schema %}{"name": "X", "target": "footer"}{% endschema %}',
            "target 'footer' is none of",
        ),
        ("blocks/x.liquid", '{% schema %}{"name": "X",}{% endschema %}', "its schema is no JSON object"),
        (
            "blocks/x.liquid",
            '{% schema %}{"name": "X", "target": "body", "javascript": "no.js"}{% endschema %}',
            "'no.js' is not in assets",
        ),
        ("snippets/x.liquid", "{% if a %}\n{% section 'a' %}{% endif %}", "unexpected tag 'section' (line 2)"),
        ("snippets/x.liquid", "{% javascript %}{% endjavascript %}", "unexpected tag 'javascript'"),
        ("snippets/x.liquid", "{% include 'greeting' %}", "unexpected tag 'include'"),
        ("snippets/x.liquid", "{{ 1 | no_filter }}", "does not know the filter no_filter"),
        ("snippets/x.liquid", "{{ 1 | ", "snippets/x.liquid: "),
        ("snippets/x.liquid", '<script src="{{ "a.js" | asset_url }}"></script>', "async or defer"),
        ("snippets/x.liquid", '<link rel="stylesheet" href="https://x.example/a.css">', "not of other places"),
        ("snippets/x.liquid", "a" * 500_001, "of Liquid, 512000 at most"),
        ("locales/fr.json", "{", "locales/fr.json: "),
        ("shopify.extension.toml", 'name = "x"\ntype = "function"', 'type = "theme"'),
    ],
)
def test_what_shopify_refuses_is_refused_at_the_start(tmp_path: Path, file: str, content: str, why: str) -> None:
    folder = tmp_path / "extension"
    shutil.copytree(EXTENSION, folder)
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(content if "Liquid" not in why else content * 2)
    with pytest.raises(ExtensionError, match=re.escape(why)):
        Extension.read(folder, app="encore", client_id=API_KEY, public_url="http://127.0.0.1:8700")


def test_assets_have_a_version_in_their_address_and_last_for_ever(devstore: Devstore, tmp_path: Path) -> None:
    devstore.post("themes/blocks", block="embed", on=True)
    panel = attributes(devstore.http.get("/").text)["panel"]
    version = panel.split("/")[5]
    assert panel == f"http://127.0.0.1:8700/cdn/extensions/{version}/encore/assets/panel.js"
    asset = devstore.http.get(panel.removeprefix("http://127.0.0.1:8700"))
    assert asset.text == (EXTENSION / "assets/panel.js").read_text()
    assert asset.headers["content-type"] == "text/javascript; charset=utf-8"
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert devstore.http.get(f"/cdn/extensions/{version}/encore/assets/none.js").status_code == 404
    assert devstore.http.get("/cdn/extensions/0000/encore/assets/panel.js").status_code == 404
    shutil.copytree(EXTENSION, tmp_path / "next")
    (tmp_path / "next/assets/panel.js").write_text("export const panel = false;")
    following = Extension.read(tmp_path / "next", app="encore", client_id=API_KEY, public_url="")
    assert following.version != version


def test_without_an_extension_everything_else_is_there(start: Start) -> None:
    devstore = start(extension=None)
    assert "shopify-block" not in devstore.http.get("/").text
    assert devstore.http.get("/admin/themes/current/editor").status_code == 200
    assert "no block 'embed'" in devstore.refused("themes/blocks", block="embed", on=True)


# --- in pages ------------------------------------------------------------------------------------------------------


def test_an_embed_is_in_every_page_of_the_theme_once_it_is_on(devstore: Devstore) -> None:
    assert attributes(devstore.http.get("/").text) == {}
    devstore.post("themes/blocks", block="embed", on=True)
    pages = {"/": "index", "/collections/all": "collection", "/cart": "cart", "/account/login": "customers/login"}
    for path, page_type in pages.items():
        assert attributes(devstore.http.get(path).text)["page"] == page_type
    page = devstore.http.get("/").text
    assert page.count("/assets/loader.js") == page.count("/assets/dummy.css") == 1
    assert page.index('id="dummy"') > page.index("</footer>")
    assert "Welcome to " in page
    order = devstore.place(email="a@example.com")
    assert attributes(devstore.http.get(f"/orders/{order['token']}").text) == {}
    devstore.post("themes/blocks", block="embed", on=False)
    assert "loader.js" not in devstore.http.get("/").text


def test_liquid_knows_shop_page_visitor_cart_and_settings(devstore: Devstore) -> None:
    devstore.post("themes/blocks", block="embed", on=True, settings={"colour": "#ff0000"})
    customer = devstore.post("customers", email="ana@example.com", password="secret")
    variant = devstore.get("products")["products"][0]["variants"][0]
    devstore.http.post("/cart/add.js", json={"id": variant["id"], "quantity": 2})
    said = attributes(devstore.http.get("/?locale=zh-TW").text)
    assert said["customer"] == ""
    assert said["cart"] == f"2 {2 * variant['price']} EUR"
    assert (said["locale"], said["colour"], said["loud"], said["design"]) == ("zh-TW", "#ff0000", "true", "false")
    assert (said["shop"], said["login"], said["config"]) == (
        devstore.shop.domain,
        "/customer_authentication/login?return_to=%2F&locale=zh-TW",
        "null",
    )
    devstore.http.post("/account/login", data={"email": "ana@example.com", "password": "secret"})
    page = devstore.http.get(f"/products/{handle(devstore)}").text
    assert attributes(page)["customer"] == str(customer["id"])
    assert attributes(page)["product"].endswith(f" {variant['price']}")
    assert "歡迎光臨" in page


def test_an_app_block_is_where_it_was_added(devstore: Devstore) -> None:
    product = f"/products/{handle(devstore)}"
    assert "earn-line" not in devstore.http.get(product).text
    assert "template product or cart" in devstore.refused("themes/blocks", block="earn-line", on=True)
    assert "template product or cart" in devstore.refused("themes/blocks", block="earn-line", on=True, template="cart")
    devstore.post("themes/blocks", block="earn-line", on=True, template="product", settings={"points": 5})
    assert "Earns 5 points" in devstore.http.get(product).text
    assert "Earns" not in devstore.http.get("/").text
    template = devstore.get("themes")["themes"][0]["files"]["templates/product.json"]["sections"]["main"]
    assert template["block_order"] == list(template["blocks"])
    assert template["block_order"][-1].startswith("earn_line_")
    devstore.post("themes/blocks", block="earn-line", on=False, template="product")
    assert "earn-line" not in devstore.http.get(product).text


def test_the_apps_own_blocks_are_drawn_on_product_and_cart(start: Start) -> None:
    devstore = start(extension=ROOT / "extensions/storefront")
    devstore.post("themes/blocks", block="encore-rewards", on=True)
    for template, path in (("product", f"/products/{handle(devstore)}"), ("cart", "/cart")):
        assert "data-encore-earn" not in devstore.http.get(path).text
        devstore.post("themes/blocks", block="earn-line", on=True, template=template)
        page = devstore.http.get(path).text
        assert page.count("data-encore-earn") == 1
        assert "Liquid error" not in page
    (panels,) = re.findall(r'data-panels="([^"]+)"', devstore.http.get("/").text)
    (earn,) = re.findall(r'data-earn="([^"]+)"', devstore.http.get("/").text)
    for address in [*panels.split(), earn]:
        assert devstore.http.get(address.removeprefix("http://127.0.0.1:8700")).status_code == 200, address


# --- the Admin API -------------------------------------------------------------------------------------------------


def test_settings_data_says_which_embeds_are_on(devstore: Devstore) -> None:
    assert main_settings(devstore) == {}
    devstore.post("clock", advance=60)
    devstore.post("themes/blocks", block="embed", on=True, settings={"loud": False})
    ((block_id, block),) = main_settings(devstore).items()
    assert block_id.isdecimal()
    assert re.fullmatch(r"shopify://apps/encore/blocks/embed/[0-9a-f-]{36}", block["type"])
    assert (block["disabled"], block["settings"]) == (False, {"loud": False})
    devstore.post("themes/blocks", block="embed", on=False)
    assert main_settings(devstore) == {block_id: {**block, "disabled": True}}


def test_files_are_described_and_missing_ones_named(devstore: Devstore) -> None:
    (theme,) = devstore.query(READ, {"names": ["templates/*.json", "layout/theme.liquid"]})["themes"]["nodes"]
    files = theme["files"]["nodes"]
    assert [each["filename"] for each in files] == ["templates/cart.json", "templates/product.json"]
    assert theme["files"]["userErrors"] == [{"code": "NOT_FOUND", "filename": "layout/theme.liquid"}]
    assert all(int(each["size"]) == len(each["body"]["content"].encode()) for each in files)
    one = devstore.query("query ($id: ID!) { theme(id: $id) { name role } }", {"id": theme["id"]})
    assert one["theme"] == {"name": theme["name"], "role": "MAIN"}
    assert devstore.query('{ theme(id: "gid://shopify/OnlineStoreTheme/1") { name } }')["theme"] is None
    every = devstore.query("{ themes(first: 10) { nodes { role processing } } }")["themes"]["nodes"]
    assert [each["role"] for each in every] == ["MAIN", "UNPUBLISHED", "UNPUBLISHED"]


def test_themes_need_their_scope(devstore: Devstore) -> None:
    devstore.post("scopes", scopes=["read_products"])
    answer = devstore.call("{ themes(first: 1) { nodes { id } } }", token=devstore.token()).json()
    assert answer["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert "read_themes" in answer["errors"][0]["message"]


# --- publishing, uninstalling --------------------------------------------------------------------------------------


def test_publishing_another_theme_tells_the_app_and_leaves_the_embed_behind(devstore: Devstore) -> None:
    devstore.post("themes/blocks", block="embed", on=True)
    themes = devstore.post("themes/publish", theme="Harvest")["themes"]
    assert [each["role"] for each in themes] == ["UNPUBLISHED", "MAIN", "UNPUBLISHED"]
    assert attributes(devstore.http.get("/").text) == {}
    assert main_settings(devstore) == {}
    devstore.flush()
    ((_, told),) = devstore.app.webhooks("themes/publish")
    number = themes[1]["id"]
    assert told["admin_graphql_api_id"] == f"gid://shopify/OnlineStoreTheme/{number}"
    assert (told["id"], told["name"], told["role"], told["processing"]) == (number, "Harvest", "main", False)
    assert told.keys() >= {"theme_store_id", "previewable", "created_at", "updated_at"}
    assert "published already" in devstore.refused("themes/publish", theme=number)
    devstore.post("themes/publish", theme="Daybreak")
    assert attributes(devstore.http.get("/").text)["page"] == "index"
    assert [each["change"] for each in devstore.log("theme")] == ["save", "publish", "publish"]


def test_uninstalling_takes_the_blocks_out_and_installing_again_brings_them_back(devstore: Devstore) -> None:
    devstore.post("themes/blocks", block="embed", on=True, settings={"colour": "#123456"})
    devstore.post("uninstall")
    assert attributes(devstore.http.get("/").text) == {}
    assert "No installed app has embeds." in devstore.http.get("/admin/themes/current/editor").text
    devstore.post("install")
    assert attributes(devstore.http.get("/").text)["colour"] == "#123456"


# --- the theme editor ----------------------------------------------------------------------------------------------


def test_deep_link_switches_the_embed_on_without_saving_it(devstore: Devstore) -> None:
    link = f"/admin/themes/current/editor?context=apps&template=index&activateAppId={API_KEY}/embed"
    editor = devstore.http.get(link).text
    assert re.search(r'name="embed:embed" value="1" checked', editor)
    assert ">Unsaved changes<" in editor
    assert attributes(devstore.http.get("/").text) == {}
    frame = re.search(r'<iframe[^>]* src="([^"]+)"', editor)
    assert frame
    shown = devstore.http.get(frame[1]).text
    assert attributes(shown)["design"] == "true"
    assert '"designMode": true' in shown
    assert "data-shopify-editor-block" in shown
    assert devstore.http.get("/admin/themes/current/editor").text.count("checked") == 1  # loud's default, not the embed
    assert "app that is not installed" in devstore.http.get(link.replace(API_KEY, "other")).text
    assert "no block" in devstore.http.get(link.replace("/embed", "/none")).text


def test_deep_link_adds_an_app_block_without_saving_it(devstore: Devstore) -> None:
    link = f"/admin/themes/current/editor?template=product&addAppBlockId={API_KEY}/earn-line&target=mainSection"
    editor = devstore.http.get(link).text
    frame = re.search(r'<iframe[^>]* src="([^"]+)"', editor)
    assert frame
    assert "Earns 1 point<" in devstore.http.get(frame[1]).text
    assert "Earns" not in devstore.http.get(f"/products/{handle(devstore)}").text
    assert "main section only" in devstore.http.get(link.replace("mainSection", "newAppsSection")).text


def test_the_editor_saves_what_its_form_says(devstore: Devstore) -> None:
    number = devstore.get("themes")["themes"][0]["id"]
    path = f"/admin/themes/{number}/editor"
    form = {"embed:embed": "1", "setting::embed:colour": "#00ff00", "setting::embed:loud": "", "template": "index"}
    assert devstore.http.post(path, data=form | {"quiet": "1"}).status_code == 204
    assert main_settings(devstore) == {}
    assert devstore.http.post(path, data=form | {"setting::embed:size": "9", "quiet": "1"}).status_code == 422
    assert devstore.http.post(path, data=form | {"setting::embed:colour": "red", "quiet": "1"}).status_code == 422
    added = devstore.http.post(path, data=form | {"add": "product:earn-line", "show": "product"}).text
    assert 'name="added:product:earn-line"' in added
    saved = devstore.http.post(path, data=form | {"added:product:earn-line": "1", "save": "1"}).text
    assert "Daybreak is saved." in saved
    (block,) = main_settings(devstore).values()
    assert block["settings"] == {"colour": "#00ff00", "loud": False}
    assert "Earns 1 point<" in devstore.http.get(f"/products/{handle(devstore)}").text
    devstore.http.post(path, data={"setting::embed:colour": "#00ff00", "save": "1"})
    assert attributes(devstore.http.get("/").text) == {}
    assert next(iter(main_settings(devstore).values()))["disabled"] is True


def test_an_unpublished_theme_can_be_looked_at_and_published_by_hand(devstore: Devstore) -> None:
    harvest = devstore.get("themes")["themes"][1]
    assert 'data-look="harvest"' in devstore.http.get(f"/?preview_theme_id={harvest['id']}").text
    assert 'data-look="daybreak"' in devstore.http.get("/").text
    assert "Harvest is published." in devstore.http.post(f"/admin/themes/{harvest['id']}/publish").text
    assert 'data-look="harvest"' in devstore.http.get("/").text


# --- the installation's metafields ---------------------------------------------------------------------------------

SET = """
mutation ($metafields: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $metafields) {
  metafields { id namespace key updatedAt compareDigest } userErrors { field message code elementIndex }
} }
"""
INSTALLATION = """
{ currentAppInstallation {
  id metafield(namespace: "dummy", key: "config") { value jsonValue type } metafields(first: 5) { nodes { key } }
} }
"""


def test_metafields_of_the_installation_reach_liquid(devstore: Devstore) -> None:
    devstore.post("themes/blocks", block="embed", on=True)
    owner = devstore.query(INSTALLATION)["currentAppInstallation"]["id"]
    config = {"ownerId": owner, "namespace": "dummy", "key": "config", "type": "json", "value": '{"a": "<b>"}'}
    answer = devstore.query(SET, {"metafields": [config]})["metafieldsSet"]
    assert answer["userErrors"] == []
    assert answer["metafields"][0]["key"] == "config"
    said = attributes(devstore.http.get("/").text)["config"]
    assert said == "{&quot;a&quot;:&quot;\\u003cb\\u003e&quot;}"
    read = devstore.query(INSTALLATION)["currentAppInstallation"]
    assert read["metafield"] == {"value": '{"a": "<b>"}', "jsonValue": {"a": "<b>"}, "type": "json"}
    assert read["metafields"]["nodes"] == [{"key": "config"}]
    devstore.post("uninstall")
    devstore.post("install")
    assert devstore.query(INSTALLATION)["currentAppInstallation"]["metafield"] is None


def test_wrong_metafields_are_refused_and_none_is_set(devstore: Devstore) -> None:
    owner = devstore.query(INSTALLATION)["currentAppInstallation"]["id"]
    good = {"ownerId": owner, "namespace": "dummy", "key": "config", "type": "number_integer", "value": "1"}
    wrong = [good, good | {"value": "x"}, good | {"type": "money"}, good | {"ownerId": owner[:-1]}]
    answer = devstore.query(SET, {"metafields": wrong})["metafieldsSet"]
    assert [(each["code"], each["elementIndex"]) for each in answer["userErrors"]] == [
        ("INVALID_VALUE", 1),
        ("INVALID_TYPE", 2),
        ("INVALID", 3),
    ]
    assert answer["metafields"] == []
    assert devstore.query(INSTALLATION)["currentAppInstallation"]["metafields"]["nodes"] == []
