"""A shop with as many customers and orders as one likes, written straight into the tables.

Made by the database itself: the same rows that the import and the ledger would write for lists, profiles and sums, as
far as screens read them. Names are skewed as names are, orders as orders are: a few customers have thousands.
"""

from __future__ import annotations

from collections.abc import Callable

FIRST_ID = 1_000_000_000  # of customers; rows written otherwise come before
_NAMES = (
    "Maria José Ana João Antônio Francisca Carlos Paulo Lúcia Pedro Márcia Lucas Luiz Marcos Juliana Mei Fernanda "
    "Sofia Aline Sandra Camila Bruno Rafael Zoë Felipe Søren Vítor Thiago Gabriel Larissa Yuki Íris Kenji Noor "
    "Olga Emma Liam Olivia Noah Amélie Oliver Isabella Elijah Mia James Evelyn William Harper Benjamin Luna Henry Theo "
    "Aria Jack Ella Levi Ellie Alexander Mila Jackson Layla Mateo Avery Daniel Penelope Michael Chloé Mason Nora Ethan "
    "Hazel Logan Riley Owen Lily Samuel Aurora Jacob Nova Asher Emilia Aiden Grace Hiroshi Stella Wyatt Willow Leo "
    "Ivy Julian Zara Hudson Naomi Grayson Elena Ezra Ruby Maverick Alice Josiah Eva Isaiah Sarah Luka Quinn Adrian Jade"
)
_SYLLABLES = "Sil San Oli Sou Ro Fer Al Pe Li Go Ri Car Mar So Vi Bar Di Cas Cam Men Bo Tei Nu Mo Ra Fre Ba Pi Ma Mi"
_FIRST = _NAMES.split()
_LAST = [
    f"{one}{two.lower()}{end}"
    for one in _SYLLABLES.split()
    for two in _SYLLABLES.split()
    for end in ("va", "tos", "ra")
]

TABLES = (
    "retention_app_order",
    "retention_app_customer",
    "retention_app_customerword",
    "loyalty_member",
    "loyalty_account",
    "loyalty_lot",
)

Execute = Callable[..., object]  # of a cursor


def fill(execute: Execute, shop_id: int, customers: int, orders: int) -> None:
    """Give the shop its people, their orders, members, accounts and lots; seven statements, the same every time."""
    from retention_app.folding import folded

    size = {"shop": shop_id, "first": FIRST_ID, "customers": customers, "orders": orders}
    names = {
        "firsts": _FIRST,
        "lasts": _LAST,
        "plain_firsts": [folded(name) for name in _FIRST],
        "plain_lasts": [folded(name) for name in _LAST],
    }
    for statement in ("SELECT setseed(0.5)", _ORDERS, _CUSTOMERS, _WORDS, _MEMBERS, _ACCOUNTS, _LOTS):
        execute(statement, {**size, **names})


_ORDERS = """
INSERT INTO retention_app_order (shop_id, shopify_id, customer_id, name, number, currency, processed_at, created_at,
    updated_at, read_at, digest, test, financial_status, paid, paid_at, taxes_included, total_minor, refunded_minor,
    event_due, placed_told)
SELECT %(shop)s, %(first)s + n, %(first)s + floor(%(customers)s * power(random(), 2))::bigint,
    '#' || 1000 + n, (1000 + n)::text, 'USD', at, at, at, at, '', random() < 0.002, 'PAID', true, at, false, total,
    CASE WHEN random() < 0.03 THEN total ELSE 0 END, false, true
FROM (SELECT n, now() - make_interval(secs => 94608000 * (1 - n::float / %(orders)s)) AS at,
    (500 + 15000 * power(random(), 3))::bigint AS total FROM generate_series(1, %(orders)s) AS n) AS made
"""

_CUSTOMERS = """
INSERT INTO retention_app_customer (id, shop_id, shopify_id, first_name, last_name, email, locale, created_at,
    updated_at, read_at, gone_at, orders_count, spent_minor, first_order_at, last_order_at, points, tier)
SELECT id, %(shop)s, id, (%(firsts)s::text[])[f], (%(lasts)s::text[])[l],
    (%(plain_firsts)s::text[])[f] || '.' || (%(plain_lasts)s::text[])[l] || id - %(first)s || '@mail.example', 'pt-BR',
    now() - interval '3 years', now(), now(), CASE WHEN random() < 0.001 THEN now() END, coalesce(orders, 0),
    coalesce(spent, 0), first_at, last_at, CASE WHEN id %% 10 < 7 THEN coalesce(spent, 0) / 100 ELSE 0 END,
    CASE WHEN id %% 10 >= 7 OR spent IS NULL THEN '' WHEN spent > 200000 THEN 'vip' WHEN spent > 60000 THEN 'gold'
        WHEN spent > 20000 THEN 'silver' ELSE '' END
FROM (SELECT %(first)s + n AS id, 1 + floor(array_length(%(firsts)s::text[], 1) * power(random(), 1.5))::int AS f,
    1 + floor(array_length(%(lasts)s::text[], 1) * power(random(), 2))::int AS l
    FROM generate_series(0, %(customers)s - 1) AS n) AS people
LEFT JOIN (SELECT customer_id, count(*) AS orders, sum(total_minor - refunded_minor)::bigint AS spent,
    min(processed_at) AS first_at, max(processed_at) AS last_at FROM retention_app_order
    WHERE shop_id = %(shop)s AND NOT test GROUP BY customer_id) AS bought ON customer_id = id
"""

_WORDS = """
INSERT INTO retention_app_customerword (shop_id, customer_id, word, beside)
SELECT shop_id, id, word, ' mail.example ' || email || ' ' || substr(email, strpos(email, '.') + 1)
FROM retention_app_customer, unnest(ARRAY[email, substr(email, strpos(email, '.') + 1), 'mail.example']) AS word
WHERE shop_id = %(shop)s AND id >= %(first)s
"""

_MEMBERS = """
INSERT INTO loyalty_member (shop_id, customer_id, revision, judged, tier, tier_quantity)
SELECT shop_id, id, orders_count, 'judged', tier, spent_minor FROM retention_app_customer
WHERE shop_id = %(shop)s AND id >= %(first)s AND id %% 10 < 7
"""

_ACCOUNTS = """
INSERT INTO loyalty_account (shop_id, member_id, kind, asset, balance)
SELECT m.shop_id, m.id, 'member', 'points', c.points FROM loyalty_member m
JOIN retention_app_customer c ON c.id = m.customer_id WHERE m.shop_id = %(shop)s AND c.id >= %(first)s
"""

_LOTS = """
INSERT INTO loyalty_lot (shop_id, account_id, source, points, usable_from)
SELECT a.shop_id, a.id, 'order:' || a.id, a.balance, now() + interval '1 day' * (7 - floor(random() * 70))
FROM loyalty_account a WHERE a.shop_id = %(shop)s AND a.kind = 'member' AND a.balance > 0
"""
