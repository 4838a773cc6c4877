"""New customer accounts: signing in with a six-digit code sent by e-mail, without passwords and without signing up.
Devstore sends no mail; what it would send is kept to be read."""

import secrets
from typing import Any

from devstore import ids, records, webhooks
from devstore.commerce import customer_activate
from devstore.documents import AccountsVersion, Customer
from devstore.orders import CommerceError
from devstore.payloads import Writer
from devstore.shops import Shop
from devstore.state import dump, load

VERSIONS: tuple[AccountsVersion, ...] = ("CLASSIC", "NEW_CUSTOMER_ACCOUNTS")
CODE_SECONDS = 600
TRIES = 5  # of one code
MAILS_SHOWN = 50


def new_accounts(shop: Shop) -> bool:
    return shop.document["customer_accounts"] == "NEW_CUSTOMER_ACCOUNTS"


def account_path(shop: Shop) -> str:
    """Where a customer's account is: Shopify's own pages for new accounts, the theme's for classic ones."""
    return f"/{shop.id}/account" if new_accounts(shop) else "/account"


def change_version(shop: Shop, version: Any) -> None:
    """Switch the shop to other accounts and tell the app. Customers stay who they are. Raises CommerceError."""
    if version not in VERSIONS:
        raise CommerceError(f"there is no accounts version {version!r}; there are {', '.join(VERSIONS)}")
    if version == shop.document["customer_accounts"]:
        return
    with shop.database.write() as connection:
        shop.update(customer_accounts=version)
        url = f"https://{shop.domain}{account_path(shop)}"
        payload = Writer(shop.document).customer_account_settings(url)
        webhooks.queue_wanted(connection, shop, "customer_account_settings/update", payload)


def send_code(shop: Shop, email: str) -> None:
    """Send a new code to an address; an older one of it is worth nothing from then on."""
    code, now = f"{secrets.randbelow(10**6):06d}", shop.clock.seconds()
    with shop.database.write() as connection:
        row = (shop.id, email.lower(), code, now + CODE_SECONDS)
        connection.execute("INSERT OR REPLACE INTO sign_in_codes VALUES (?, ?, ?, ?, 0)", row)
        mail = {
            "id": ids.take(connection, "Mail"),
            "to": email.lower(),
            "subject": f"{code} is your code for {shop.document['name']}",
            "text": f"Sign in to {shop.document['name']} with {code}. The code lasts ten minutes.",
            "code": code,
            "sent_at": shop.clock.now(),
        }
        connection.execute("INSERT INTO mails VALUES (?, ?, ?)", (mail["id"], shop.id, dump(mail)))


def sign_in(shop: Shop, email: str, code: str) -> Customer | None:
    """Whoever has the code, with an account from now on: a guest of that address or somebody new. None when the code is
    wrong, over or was tried too often."""
    email = email.lower()
    with shop.database.write() as connection:
        row = connection.execute(
            "UPDATE sign_in_codes SET tries = tries + 1 WHERE shop_id = ? AND email = ?"
            " RETURNING code, expires_at, tries",
            (shop.id, email),
        ).fetchone()
        if row is None or row[2] > TRIES or shop.clock.seconds() > row[1] or not secrets.compare_digest(row[0], code):
            return None
        connection.execute("DELETE FROM sign_in_codes WHERE shop_id = ? AND email = ?", (shop.id, email))
        known = records.customer_by_email(connection, shop.id, email)
        return known if known and known["state"] == "ENABLED" else customer_activate(connection, shop, email, known)


def mails(shop: Shop) -> list[dict[str, Any]]:
    """The last e-mails devstore would have sent, newest first."""
    rows = shop.database.connection().execute(
        "SELECT document FROM mails WHERE shop_id = ? ORDER BY id DESC LIMIT ?", (shop.id, MAILS_SHOWN)
    )
    return [load(document) for (document,) in rows]
