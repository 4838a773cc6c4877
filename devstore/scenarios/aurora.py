"""`aurora`: a small lively shop of coffee, tea and mugs in São Paulo, in Brazilian reais.

About 300 customers and 900 orders over the fourteen months before now, the same each time but for the dates: some
refunds, cancellations, discounts, guests and a few test orders. Every account's password is `aurora`."""

import random
import sqlite3
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from devstore import discounts, ids, orders, records
from devstore.clock import timestamp
from devstore.documents import Address, Collection, Customer, DiscountCode, Order, Product, ShopDocument
from devstore.orders import Item, Ware
from devstore.scenarios.base import (
    customer_document,
    password_for_all,
    product_document,
    shop_document,
    staff,
    variant_document,
)
from devstore.shops import Shop, Store

SEED = 2026
CUSTOMERS = 300
ORDERS = 900
DAYS = 425

# title, kind, colour, option, description, variants (name, SKU, centavos)
CATALOGUE = (
    ("Aurora Espresso", "Coffee", "#5b3a29", "Size", "Our house roast: cocoa, toasted hazelnut, a long finish.",
     (("250 g", "AUR-ESP-250", 3600), ("500 g", "AUR-ESP-500", 6600), ("1 kg", "AUR-ESP-1000", 11900))),
    ("Cerrado Filter", "Coffee", "#8a5a3c", "Size", "A bright filter coffee from the Cerrado: caramel and red apple.",
     (("250 g", "CER-FIL-250", 3900), ("500 g", "CER-FIL-500", 7200))),
    ("Mantiqueira Microlot", "Coffee", "#a0522d", "Size", "Forty bags a year from one farm above the clouds.",
     (("250 g", "MAN-MIC-250", 5800),)),
    ("Decaf Serra", "Coffee", "#6f7d5c", "Size", "Water-process decaf that still tastes of coffee.",
     (("250 g", "DEC-SER-250", 4200),)),
    ("Cold Brew Box", "Coffee", "#33475b", "Pack", "Six bottles, ready for the fridge.",
     (("6 bottles", "CBX-6", 7800), ("12 bottles", "CBX-12", 14400))),
    ("Erva-Mate Tostada", "Tea", "#7b8b4c", "Size", "Toasted mate, sweet and smoky, from Paraná.",
     (("100 g", "MAT-TOS-100", 2400), ("250 g", "MAT-TOS-250", 5200))),
    ("Hibiscus & Ginger", "Tea", "#b23a48", "Size", "An infusion for hot afternoons, good with ice.",
     (("80 g", "HIB-GIN-80", 2900),)),
    ("Chamomile Fields", "Tea", "#d9a441", "Size", "Whole flowers for quiet evenings.",
     (("50 g", "CHA-FIE-50", 2700),)),
    ("Clay Mug", "Mugs", "#c1694f", "Glaze", "Thrown by hand in Cunha; holds 280 ml.",
     (("Terracotta", "MUG-CLA-TER", 6900), ("Sea", "MUG-CLA-SEA", 6900), ("Chalk", "MUG-CLA-CHA", 6900))),
    ("Enamel Camp Mug", "Mugs", "#2f6690", "Colour", "Light, tough, and at home by the fire.",
     (("Blue", "MUG-ENA-BLU", 4500), ("Cream", "MUG-ENA-CRE", 4500))),
    ("Hand Grinder", "Brewing", "#444b54", "Title", "Ceramic burrs and a quiet crank.",
     (("Default Title", "GRI-HAN", 18900),)),
    ("Pour-Over Set", "Brewing", "#9c8c76", "Title", "Dripper, carafe and forty filters.",
     (("Default Title", "POU-SET", 15900),)),
)  # fmt: skip

TAGS = {
    "Aurora Espresso": ("espresso", "bestseller"),
    "Cerrado Filter": ("filter", "single-origin"),
    "Mantiqueira Microlot": ("filter", "single-origin", "limited"),
    "Decaf Serra": ("decaf",),
    "Cold Brew Box": ("cold-brew", "summer"),
    "Erva-Mate Tostada": ("caffeine",),
    "Hibiscus & Ginger": ("herbal", "summer"),
    "Chamomile Fields": ("herbal",),
    "Clay Mug": ("handmade", "bestseller"),
}  # beside the kind's own tag
COLLECTIONS = ("Coffee", "Tea", "Mugs", "Brewing")  # each holds the products of its kind
GIFT_IDEAS = "Gift ideas"
GIFTS = ("Mantiqueira Microlot", "Clay Mug", "Enamel Camp Mug", "Pour-Over Set")

CODES: tuple[DiscountCode, ...] = (
    {"code": "BEMVINDO10", "kind": "percentage", "value": "10"},
    {"code": "CAFE15", "kind": "fixed_amount", "value": "1500"},
)

FIRST_NAMES = (
    "Ana", "Beatriz", "Camila", "Daniela", "Eduarda", "Fernanda", "Gabriela", "Helena", "Isabela", "Júlia",
    "Larissa", "Letícia", "Luana", "Manuela", "Mariana", "Natália", "Patrícia", "Rafaela", "Sofia", "Tatiana",
    "Vitória", "Yasmin", "André", "Antônio", "Bruno", "Caio", "Diego", "Eduardo", "Felipe", "Gustavo",
    "Henrique", "Igor", "João", "José", "Leonardo", "Lucas", "Marcelo", "Mateus", "Murilo", "Otávio", "Paulo",
    "Pedro", "Rafael", "Renato", "Rodrigo", "Thiago", "Vinícius", "Zeca",
)  # fmt: skip
LAST_NAMES = (
    "Albuquerque", "Almeida", "Araújo", "Barbosa", "Batista", "Cardoso", "Carvalho", "Castro", "Costa", "Dias",
    "Duarte", "Farias", "Ferreira", "Figueiredo", "Freitas", "Gomes", "Gonçalves", "Lima", "Lopes", "Machado",
    "Magalhães", "Martins", "Melo", "Mendes", "Moraes", "Moreira", "Nascimento", "Nogueira", "Nunes",
    "Oliveira", "Pereira", "Pinto", "Queiroz", "Ramos", "Ribeiro", "Rocha", "Santos", "Silveira", "Souza",
    "Teixeira", "Vasconcelos", "Vieira", "Xavier",
)  # fmt: skip
CITIES = (
    ("São Paulo", "São Paulo", "SP", "01310-100"), ("Campinas", "São Paulo", "SP", "13010-000"),
    ("Rio de Janeiro", "Rio de Janeiro", "RJ", "20040-002"), ("Belo Horizonte", "Minas Gerais", "MG", "30130-010"),
    ("Curitiba", "Paraná", "PR", "80010-000"), ("Porto Alegre", "Rio Grande do Sul", "RS", "90010-150"),
    ("Recife", "Pernambuco", "PE", "50010-000"), ("Salvador", "Bahia", "BA", "40010-000"),
    ("Florianópolis", "Santa Catarina", "SC", "88010-000"), ("Fortaleza", "Ceará", "CE", "60010-000"),
)  # fmt: skip
STREETS = ("Rua das Flores", "Rua Augusta", "Avenida Paulista", "Rua do Sol", "Rua da Aurora", "Alameda Santos")


def load(store: Store) -> None:
    shop = store.add_shop(settings(store))
    dice = random.Random(SEED)  # the same shop each time
    now = datetime.fromtimestamp(store.clock.seconds(), UTC)
    with store.database.write() as connection:
        take = ids.Batch(connection)
        collections = make_collections(take, now)
        for collection in collections:
            records.save_collection(connection, shop.id, collection)
        products = make_products(take, now, {each["title"]: each["id"] for each in collections})
        records.insert_products(connection, shop.id, products)
        customers = make_customers(take, dice, now)
        history = make_orders(shop, products, customers, take, dice, now)
        records.insert_orders(connection, shop.id, history)
        make_codes(connection, shop, history)
        count_up(customers, history)
        stored = password_for_all("aurora")
        rows = ((each, stored if each["state"] == "ENABLED" else None) for each in customers)
        records.insert_customers(connection, shop.id, rows)
        take.close()
        example = max(customers, key=lambda each: each["orders_count"] if each["state"] == "ENABLED" else 0)
        shop.update(login_hint=f"{example['email']} with the password aurora (every account of this shop has it)")


def settings(store: Store) -> ShopDocument:
    document = shop_document(
        store,
        handle="aurora",
        name="Aurora Café",
        currency="BRL",
        timezone="America/Sao_Paulo",
        locale="pt-BR",
        country="Brazil",
        country_code="BR",
        city="São Paulo",
        taxes_included=True,
        shipping_price=1500,
        shipping_free_from=15000,
        created_at=timestamp(store.clock.seconds() - (DAYS + 30) * 86400),
    )
    owner, helper = (person["id"] for person in document["staff"])
    document["staff"] = [
        staff(owner, "Marina", "Duarte", "aurora", owner=True),
        staff(helper, "Téo", "Nogueira", "aurora", owner=False),
    ]
    return document


def make_collections(take: ids.Batch, now: datetime) -> list[Collection]:
    at = timestamp((now - timedelta(days=DAYS + 20)).timestamp())
    return [records.new_collection(take("Collection"), title, at) for title in (*COLLECTIONS, GIFT_IDEAS)]


def make_products(take: ids.Batch, now: datetime, collections: Mapping[str, int]) -> list[Product]:
    at = timestamp((now - timedelta(days=DAYS + 20)).timestamp())
    products = []
    for title, kind, colour, option, description, variants in CATALOGUE:
        made = [variant_document(take("ProductVariant"), name, sku, price) for name, sku, price in variants]
        more = {"product_type": kind, "colour": colour, "option": option}
        titles = (kind, GIFT_IDEAS) if title in GIFTS else (kind,)
        handle = title.lower().replace(" & ", "-").replace(" ", "-")
        products.append(
            product_document(
                take("Product"),
                take("ProductOption"),
                made,
                at,
                title=title,
                handle=handle,
                description=f"<p>{description}</p>",
                vendor="Aurora Café",
                tags=[kind.lower(), *TAGS.get(title, ())],
                collection_ids=[collections[each] for each in titles],
                **more,
            )
        )
    return products


def make_customers(take: ids.Batch, dice: random.Random, now: datetime) -> list[Customer]:
    """Four in five have an account; the others bought as guests."""
    customers: list[Customer] = []
    seen: set[str] = set()
    while len(customers) < CUSTOMERS:
        first, last = dice.choice(FIRST_NAMES), dice.choice(LAST_NAMES)
        email = f"{plain(first)}.{plain(last)}@example.com"
        if email in seen:
            continue
        seen.add(email)
        # Most came lately: the shop is growing.
        at = timestamp((now - timedelta(days=DAYS * (1 - dice.random() ** 0.7), hours=dice.random() * 24)).timestamp())
        marketing = dice.random() < 0.55
        customers.append(
            customer_document(
                take("Customer"),
                email,
                at,
                first_name=first,
                last_name=last,
                locale="pt-BR",
                state="ENABLED" if dice.random() < 0.8 else "DISABLED",
                accepts_marketing=marketing,
                marketing_at=at if marketing else None,
                address=make_address(dice, first, last),
                address_id=take("MailingAddress"),
            )
        )
    return customers


def make_address(dice: random.Random, first: str, last: str) -> Address:
    city, province, code, postcode = dice.choice(CITIES)
    return {
        "first_name": first,
        "last_name": last,
        "address1": f"{dice.choice(STREETS)}, {dice.randint(10, 1990)}",
        "city": city,
        "province": province,
        "province_code": code,
        "country": "Brazil",
        "country_code": "BR",
        "zip": postcode,
    }


def make_orders(
    shop: Shop,
    products: Sequence[Product],
    customers: Sequence[Customer],
    take: ids.Batch,
    dice: random.Random,
    now: datetime,
) -> list[Order]:
    """Orders by time. Each customer has their own appetite, so that a few buy often and many once."""
    appetite = [dice.paretovariate(1.6) for _ in customers]
    buyers = dice.choices(customers, weights=appetite, k=ORDERS - 30) + [None] * 30
    placed = []
    for buyer in buyers:
        since = datetime.fromisoformat(buyer["created_at"]) if buyer else now - timedelta(days=DAYS)
        # The first order of a customer comes when they do; later ones anywhere up to now.
        moment = since + (now - timedelta(hours=2) - since) * dice.random()
        placed.append((timestamp(moment.timestamp()), buyer))
    placed.sort(key=lambda each: each[0])
    return [
        make_order(shop, products, buyer, take, dice, at, number, now)
        for number, (at, buyer) in enumerate(placed, 1001)
    ]


def make_order(
    shop: Shop,
    products: Sequence[Product],
    buyer: Customer | None,
    take: ids.Batch,
    dice: random.Random,
    at: str,
    number: int,
    now: datetime,
) -> Order:
    wares = []
    for product in dice.sample(products, k=dice.choices((1, 2, 3, 4), weights=(45, 32, 16, 7))[0]):
        variant = dice.choice(product["variants"])
        quantity = dice.choices((1, 2, 3), weights=(75, 19, 6))[0]
        wares.append(Ware(Item(quantity, variant["id"]), product, variant))
    luck = dice.random()
    order = orders.compose(
        shop.document,
        wares,
        take,
        at,
        number=number,
        customer_id=buyer["id"] if buyer else None,
        email=buyer["email"] if buyer else None,
        discount=dice.choice(CODES) if dice.random() < 0.14 else None,
        test=buyer is None and luck < 0.2,
        pay=luck > 0.02,
        address=buyer["address"] if buyer else None,
        source="web" if buyer else "pos",
    )
    later = min(datetime.fromisoformat(at) + timedelta(days=dice.randint(2, 20), hours=dice.randint(0, 12)), now)
    then = timestamp(later.timestamp())
    if luck > 0.985:
        orders.cancel_order(order, take, then, reason="CUSTOMER", refund=True)
    elif luck > 0.94:
        line = dice.choice(order["lines"])
        orders.refund_order(order, {line["id"]: dice.randint(1, line["quantity"])}, take, then, note="Arrived damaged")
    elif luck > 0.93:
        orders.refund_order(order, {}, take, then, amount=min(1000, order["received"]), note="A little sorry")
    elif luck < 0.008:
        orders.cancel_order(order, take, then, reason="DECLINED", refund=False)
    return order


def make_codes(connection: sqlite3.Connection, shop: Shop, history: Sequence[Order]) -> None:
    for code in CODES:
        used = sum(each["code"] == code["code"] for order in history for each in order["applications"])
        discounts.create(connection, shop, code, starts_at=shop.document["created_at"], used=used)


def count_up(customers: Sequence[Customer], history: Sequence[Order]) -> None:
    """Put the purchase figures of the history into the customers."""
    by_id = {customer["id"]: customer for customer in customers}
    for order in history:
        buyer = by_id.get(order["customer_id"] or 0)
        if buyer is None or order["cancelled_at"] or order["test"]:
            continue
        buyer["orders_count"] += 1
        buyer["spent"] += order["total"] - order["refunded"]
        buyer["last_order_id"], buyer["last_order_at"] = order["id"], order["created_at"]
        buyer["updated_at"] = max(buyer["updated_at"], order["updated_at"])


def plain(name: str) -> str:
    """`Júlia` → `julia`."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
