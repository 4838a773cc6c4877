"""The app's theme app extension, as `shopify app deploy` would take it: a folder with `blocks`, `assets`, `snippets`
and `locales`. Its rules are those of Shopify's CLI and its theme check: what these refuse is refused at the start.

https://shopify.dev/docs/apps/build/online-store/theme-app-extensions/configuration"""

import hashlib
import re
import tomllib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import orjson
from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError
from orjson import JSONDecodeError

from devstore import liquidity

FOLDERS = frozenset({"assets", "blocks", "locales", "snippets"})
CONFIGURATION = "shopify.extension.toml"
ASSET_TYPES = {
    ".css": "text/css",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
MOST_BYTES = 10 * 1024 * 1024  # of all files
MOST_LIQUID_BYTES = 500 * 1024
MOST_BLOCKS = 30
LONGEST_NAME = 25  # of a block, in characters
SCHEMA = re.compile(r"{%-?\s*schema\s*-?%}(.*?){%-?\s*endschema\s*-?%}", re.DOTALL)
COMMENT = re.compile(r"{%-?\s*comment\s*-?%}.*?{%-?\s*endcomment\s*-?%}", re.DOTALL)
# What no block may hold: a script that the page waits for, and files of other places.
BLOCKING_SCRIPT = re.compile(r"<script\b(?=[^>]*\bsrc=)(?![^>]*\b(?:async|defer|type=[\"']module[\"']))", re.IGNORECASE)
REMOTE_ASSET = re.compile(r"<(?:script|link|img)\b[^>]*\b(?:src|href)=[\"'](?:https?:)?//", re.IGNORECASE)
# Setting types with a value, and what each is worth where the schema names no default.
SETTING_TYPES: dict[str, Any] = {
    "checkbox": False,
    "color": "",
    "html": "",
    "inline_richtext": "",
    "number": None,
    "radio": "",
    "range": None,
    "richtext": "",
    "select": "",
    "text": "",
    "textarea": "",
    "url": "",
}
SIDEBAR_TYPES = frozenset({"header", "paragraph"})

Target = Literal["body", "compliance_head", "head", "section"]
TARGETS = ("body", "compliance_head", "head", "section")
Setting = dict[str, Any]


class ExtensionError(ValueError):
    """Why the extension cannot be deployed, with the file's name in front."""


@dataclass(frozen=True, slots=True)
class Block:
    """An app embed (`head`, `body`, `compliance_head`) or an app block (`section`). Names and labels may be `t:` keys
    of the schema locales (`Extension.label`)."""

    handle: str
    name: str
    target: Target
    javascript: str | None
    stylesheet: str | None
    settings: tuple[Setting, ...]
    enabled_on: frozenset[str]
    disabled_on: frozenset[str]
    body: BoundTemplate

    @property
    def embed(self) -> bool:
        return self.target != "section"

    @property
    def defaults(self) -> dict[str, Any]:
        """Every setting's value where the merchant has not chosen one."""
        return {each["id"]: default_of(each) for each in self.settings if "id" in each}

    def allowed_on(self, page_type: str) -> bool:
        """Whether `enabled_on` and `disabled_on` of the schema let it stand on pages of this type."""
        return not {"*", page_type}.isdisjoint(self.enabled_on) and page_type not in self.disabled_on


@dataclass(frozen=True, slots=True)
class Extension:
    """A deployed extension. `version` changes with any file, and with it the addresses of the assets (`base_url`)."""

    name: str
    uid: str
    app: str
    version: str
    base_url: str
    blocks: Mapping[str, Block]
    assets: Mapping[str, bytes]
    schema_words: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path, *, app: str, client_id: str, public_url: str) -> "Extension":
        """Read, check and parse a folder for the app of this handle. Raises ExtensionError or OSError."""
        files = read_files(folder)
        toml = read_configuration(files.pop(CONFIGURATION, None))
        blocks = [name for name in files if name.startswith("blocks/")]
        if len(blocks) > MOST_BLOCKS:
            raise ExtensionError(f"blocks: {len(blocks)} blocks, {MOST_BLOCKS} at most")
        version = hashlib.sha256(b"".join(name.encode() + files[name] for name in sorted(files))).hexdigest()[:16]
        base_url = f"{public_url}/cdn/extensions/{version}/{app}/assets"
        snippets = {Path(name).stem: text_of(name, files) for name in files if name.startswith("snippets/")}
        words, schema_words = read_words(files)
        environment = liquidity.environment(snippets, words, base_url)
        assets = {name.removeprefix("assets/"): files[name] for name in files if name.startswith("assets/")}
        for name, source in snippets.items():
            parse(environment, f"snippets/{name}.liquid", source)
        return cls(
            name=toml["name"],
            uid=toml.get("uid") or str(uuid.uuid5(uuid.NAMESPACE_URL, f"{client_id}/{toml['name']}")),
            app=app,
            version=version,
            base_url=base_url,
            blocks={Path(name).stem: read_block(environment, name, text_of(name, files), assets) for name in blocks},
            assets=assets,
            schema_words=schema_words,
        )

    def block_type(self, block: Block) -> str:
        """How themes' files name the block."""
        return f"shopify://apps/{self.app}/blocks/{block.handle}/{self.uid}"

    def block_of(self, block_type: str) -> Block | None:
        """The block a theme's file names; None for one of the theme's own, and for one that is gone."""
        prefix = f"shopify://apps/{self.app}/blocks/"
        if not block_type.startswith(prefix):
            return None
        return self.blocks.get(block_type.removeprefix(prefix).partition("/")[0])

    def asset_url(self, name: str) -> str:
        return f"{self.base_url}/{name}"

    def label(self, text: str, locale: str) -> str:
        """A name or label of a schema in the merchant's language, English where that lacks it."""
        if not text.startswith("t:"):
            return text
        return liquidity.looked_up(self.schema_words, locale, text.removeprefix("t:")) or text


def read_files(folder: Path) -> dict[str, bytes]:
    """The files by their path in the folder, hidden ones left out. Raises ExtensionError where one may not be there."""
    if not folder.is_dir():
        raise ExtensionError(f"{folder} is no folder")
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    for name in files:
        place, _, rest = name.rpartition("/")
        if name == CONFIGURATION:
            continue
        if place not in FOLDERS:
            raise ExtensionError(f"{name}: only {', '.join(sorted(FOLDERS))} and {CONFIGURATION} may be there")
        ending = Path(rest).suffix
        allowed = {"assets": ASSET_TYPES.keys(), "locales": {".json"}}.get(place, {".liquid"})
        if ending not in allowed:
            raise ExtensionError(f"{name}: files in {place} end in {', '.join(sorted(allowed))}")
    if (size := sum(map(len, files.values()))) > MOST_BYTES:
        raise ExtensionError(f"{folder}: {size} bytes, {MOST_BYTES} at most")
    if (size := sum(len(files[name]) for name in files if name.endswith(".liquid"))) > MOST_LIQUID_BYTES:
        raise ExtensionError(f"{folder}: {size} bytes of Liquid, {MOST_LIQUID_BYTES} at most")
    return files


def read_configuration(source: bytes | None) -> dict[str, Any]:
    if source is None:
        raise ExtensionError(f"{CONFIGURATION} is missing")
    try:
        toml = tomllib.loads(source.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ExtensionError(f"{CONFIGURATION}: {error}") from None
    # With `[[extensions]]` the name and type of each stand in its own table.
    toml = toml.get("extensions", [{}])[0] | {name: toml[name] for name in toml if name != "extensions"}
    if toml.get("type") != "theme" or not toml.get("name"):
        raise ExtensionError(f'{CONFIGURATION}: it has a name and type = "theme"')
    return toml


def read_words(files: Mapping[str, bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The translations for shoppers and those of the schemas, by locale; the default one also under ``""``."""
    words: dict[str, Any] = {}
    schema_words: dict[str, Any] = {}
    for name in files:
        if not name.startswith("locales/"):
            continue
        parts = Path(name).name.removesuffix(".json").split(".")
        into = schema_words if parts[-1] == "schema" else words
        try:
            into[parts[0]] = orjson.loads(files[name])
        except JSONDecodeError as error:
            raise ExtensionError(f"{name}: {error}") from None
        if "default" in parts:
            into[""] = into[parts[0]]
    return words, schema_words


def text_of(name: str, files: Mapping[str, bytes]) -> str:
    try:
        return files[name].decode()
    except UnicodeDecodeError:
        raise ExtensionError(f"{name}: it is not UTF-8") from None


def parse(environment: Environment, name: str, source: str) -> BoundTemplate:
    """Raises ExtensionError for what Shopify or its theme check would not take."""
    markup = COMMENT.sub("", source)
    if BLOCKING_SCRIPT.search(markup):
        raise ExtensionError(f"{name}: a script is loaded with async or defer, so that the page does not wait for it")
    if REMOTE_ASSET.search(markup):
        raise ExtensionError(f"{name}: scripts, styles and pictures are files of the extension, not of other places")
    try:
        template = environment.from_string(source, name=name)
        unknown = template.analyze(include_partials=False).filters.keys() - environment.filters.keys()
    except LiquidError as error:
        raise ExtensionError(
            f"{name}: {error.message} (line {source[: error_index(error)].count(chr(10)) + 1})"
        ) from None
    if unknown:
        raise ExtensionError(f"{name}: devstore does not know the filter {', '.join(sorted(unknown))}")
    return template


def error_index(error: LiquidError) -> int:
    return error.token.start_index if error.token else 0


def read_block(environment: Environment, name: str, source: str, assets: Mapping[str, bytes]) -> Block:
    found = SCHEMA.findall(source)
    if len(found) != 1:
        raise ExtensionError(f"{name}: a block has one {{% schema %}}")
    try:
        schema = orjson.loads(found[0])
        assert isinstance(schema, dict)
    except (JSONDecodeError, AssertionError) as error:
        raise ExtensionError(f"{name}: its schema is no JSON object {error}".rstrip()) from None
    if not isinstance(schema.get("name"), str) or len(schema["name"]) > LONGEST_NAME:
        raise ExtensionError(f"{name}: its schema has a name of at most {LONGEST_NAME} characters")
    if schema.get("target") not in TARGETS:
        raise ExtensionError(f"{name}: target {schema.get('target')!r} is none of {', '.join(TARGETS)}")
    for kind in ("javascript", "stylesheet"):
        if kind in schema and schema[kind] not in assets:
            raise ExtensionError(f"{name}: {kind} {schema[kind]!r} is not in assets")
    settings = tuple(schema.get("settings", ()))
    check_settings(name, settings)
    return Block(
        handle=Path(name).stem,
        name=schema["name"],
        target=cast(Target, schema["target"]),
        javascript=schema.get("javascript"),
        stylesheet=schema.get("stylesheet"),
        settings=settings,
        enabled_on=frozenset(schema.get("enabled_on", {}).get("templates", ["*"])),
        disabled_on=frozenset(schema.get("disabled_on", {}).get("templates", [])),
        body=parse(environment, name, SCHEMA.sub("", source)),
    )


def check_settings(name: str, settings: tuple[Setting, ...]) -> None:
    ids = [each.get("id") for each in settings if each.get("type") not in SIDEBAR_TYPES]
    if None in ids or len(ids) != len(set(ids)):
        raise ExtensionError(f"{name}: each setting has an id of its own")
    for each in settings:
        if each.get("type") not in SETTING_TYPES.keys() | SIDEBAR_TYPES:
            raise ExtensionError(f"{name}: devstore does not play settings of type {each.get('type')!r}")


def default_of(setting: Setting) -> Any:
    if "default" in setting:
        return setting["default"]
    if setting["type"] in ("select", "radio"):
        return setting["options"][0]["value"]
    return SETTING_TYPES[setting["type"]]


def setting_value(setting: Setting, text: str) -> Any:
    """What a form's text says of a setting. Raises ValueError where it is none of its values."""
    kind = setting["type"]
    if kind == "checkbox":
        return text == "true"
    if kind in ("number", "range"):
        return number_in(setting, text)
    if kind in ("select", "radio") and text not in [each["value"] for each in setting["options"]]:
        raise ValueError(f"{setting['id']}: {text!r} is none of its options")
    if kind == "color" and text and not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise ValueError(f"{setting['id']}: {text!r} is no colour like #1f5b4e")
    return text


def number_in(setting: Setting, text: str) -> int | float | None:
    if not text:
        return None
    value = float(text)
    if not setting.get("min", value) <= value <= setting.get("max", value):
        raise ValueError(f"{setting['id']}: {text} is not from {setting['min']} to {setting['max']}")
    return int(value) if value.is_integer() else value
