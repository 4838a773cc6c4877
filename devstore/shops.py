"""The store of everything, and one shop of it."""

import re
import secrets
import sqlite3
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from devstore import knobs
from devstore.clock import Clock
from devstore.config import AppSettings, Config
from devstore.documents import ShopDocument, Staff
from devstore.extension import Extension
from devstore.knobs import Knobs
from devstore.state import Database, dump, load

if TYPE_CHECKING:
    from devstore.bulk import BulkRunner


DOMAIN = ".myshopify.com"
SHOP_COOKIE = "devstore_shop"  # the handle of the shop that a browser looked at last, by `?shop=`
HANDLE = re.compile(r"[a-z0-9][a-z0-9-]*")
# Fields of a shop's document that state folders of an earlier devstore lack.
ADDED: dict[str, Any] = {
    "consent_banner": False,
    "customer_accounts": "CLASSIC",
    "status": "open",
    "uninstalled_at": None,
}


class Store:
    """All shops of this devstore, their database, their clock, and the app they installed or may install. `bulk` is
    put in by the application."""

    bulk: "BulkRunner"

    def __init__(self, config: Config) -> None:
        config.state_dir.mkdir(parents=True, exist_ok=True)
        self.config = config
        self.database = Database(config.state_dir / "devstore.sqlite3")
        self.clock = Clock(float(self.setting("clock_offset", 0.0)))
        # Devstore's own secret for links it gives out (bulk results) and its session cookies. Made here: whoever asks
        # for it first may be reading, and can't write then.
        self.signing_key = str(self.setting("signing_key", None) or self.set("signing_key", secrets.token_hex(32)))
        self.shops: dict[str, Shop] = {}
        for row in self.database.connection().execute("SELECT id, document, knobs FROM shops ORDER BY id"):
            document = cast(ShopDocument, {**ADDED, **load(row[1])})
            shop = Shop(self, row[0], document, Knobs().turned(load(row[2])))
            self.shops[shop.domain] = shop

    @cached_property
    def app(self) -> AppSettings:
        """The app's settings, read once on first use."""
        return AppSettings.read(self.config.app_toml, self.config.app_url)

    @cached_property
    def extension(self) -> Extension | None:
        """The app's theme app extension, read once on first use. Raises ExtensionError."""
        config = self.config
        if config.extension is None:
            return None
        return Extension.read(
            config.extension, app=self.app.handle, client_id=config.api_key, public_url=config.public_url
        )

    @property
    def default_shop(self) -> "Shop":
        """The shop that answers where none is named: the scenario's."""
        return next(iter(self.shops.values()))

    def shop_named(self, name: str) -> "Shop | None":
        """The shop of a handle or a domain."""
        return self.shops.get(name if name.endswith(DOMAIN) else f"{name}{DOMAIN}")

    def add_shop(self, document: ShopDocument) -> "Shop":
        with self.database.write() as connection:
            connection.execute(
                "INSERT INTO shops (id, handle, document, knobs) VALUES (?, ?, ?, ?)",
                (document["id"], document["handle"], dump(document), dump(Knobs().as_dict())),
            )
        shop = Shop(self, document["id"], document, Knobs())
        self.shops[shop.domain] = shop
        return shop

    def rename_shop(self, shop: "Shop", handle: str) -> None:
        """Give a shop another handle and with it another domain; nothing answers at the old one. Raises ValueError."""
        domain = f"{handle}{DOMAIN}"
        if not HANDLE.fullmatch(handle) or domain in self.shops:
            raise ValueError(f"{handle!r} is no handle for a shop or belongs to one")
        with self.database.write() as connection:
            connection.execute("UPDATE shops SET handle = ? WHERE id = ?", (handle, shop.id))
            shop.update(handle=handle, domain=domain)
        self.shops = {each.domain: each for each in self.shops.values()}

    def turn_clock(self, offset: float) -> None:
        """Set the clock's offset from the real time, in seconds. Turned forward, it makes webhooks due that wait;
        turned back, they wait as long as before."""
        back = self.clock.offset - offset
        with self.database.write() as connection:
            self.clock.offset = offset
            self.set("clock_offset", offset)
            if back > 0:
                connection.execute("UPDATE deliveries SET due_at = due_at - ? WHERE status = 'queued'", (back,))

    def setting(self, name: str, default: Any) -> Any:
        row = self.database.connection().execute("SELECT document FROM settings WHERE name = ?", (name,)).fetchone()
        return load(row[0]) if row else default

    def set(self, name: str, value: Any) -> Any:
        with self.database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, dump(value)))
        return value


class Shop:
    """One shop: its settings (`document`), knobs and shortcuts. Changes go through `update` and `turn`."""

    def __init__(self, store: Store, number: int, document: ShopDocument, shop_knobs: Knobs) -> None:
        self.store = store
        self.database = store.database
        self.clock = store.clock
        self.id = number
        self.document = document
        self._knobs = shop_knobs
        self._lock = threading.Lock()

    @property
    def domain(self) -> str:
        return self.document["domain"]

    @property
    def handle(self) -> str:
        return self.document["handle"]

    @property
    def currency(self) -> str:
        return self.document["currency"]

    @property
    def status(self) -> str:
        """ "open", or why its Admin API is closed: "frozen" or "locked"."""
        return self.document["status"]

    @property
    def installed(self) -> bool:
        return self.document["installed_at"] is not None

    @property
    def knobs(self) -> Knobs:
        """The shop's knobs with the changes of the request being served."""
        changes = knobs.for_this_request.get()
        return self._knobs.turned(changes) if changes else self._knobs

    def turn(self, changes: dict[str, Any]) -> Knobs:
        """Change the shop's knobs. Raises ValueError."""
        with self._lock, self.database.write() as connection:
            self._knobs = self._knobs.turned(changes)
            connection.execute("UPDATE shops SET knobs = ? WHERE id = ?", (dump(self._knobs.as_dict()), self.id))
        return self._knobs

    def update(self, **changes: Any) -> None:
        """Change fields of the shop's document. Raises KeyError for an unknown one."""
        with self.database.write() as connection:
            for name in changes:
                self.document[name]  # type: ignore[literal-required]
            self._save(connection, cast(ShopDocument, {**self.document, **changes}))

    def _save(self, connection: sqlite3.Connection, document: ShopDocument) -> None:
        connection.execute("UPDATE shops SET document = ? WHERE id = ?", (dump(document), self.id))
        self.document = document

    def staff(self, staff_id: int | None = None) -> Staff:
        """A staff member by id; the owner when none is named. Raises LookupError."""
        for person in self.document["staff"]:
            if person["id"] == staff_id or (staff_id is None and person["account_owner"]):
                return person
        raise LookupError(f"no staff member {staff_id}")
