"""Product pictures, drawn: a soft ground in the product's colour and a plain shape of what it is."""

import re

from devstore.web.visit import PAGES

WORDS = (
    (r"\bmug|\bcup|caneca", "mug"),
    (r"soap|\bbar\b", "soap"),
    (r"bottle|oil\b|wash|lotion|shampoo|serum|mist|tonic|balm", "bottle"),
    (r"candle|\bvela", "candle"),
    (r"\bbag|tote|pouch|backpack|basket", "bag"),
    (r"notebook|book|journal|planner|sketch", "book"),
    (r"jacket|\bcoat", "jacket"),
    (r"beanie|\bhat\b", "beanie"),
    (r"kettle|teapot", "kettle"),
    (r"shirt|\btee\b|hoodie|sweater|jumper", "shirt"),
    (r"\bcds?\b|vinyl|record|album|music", "disc"),
    (r"bowl|plate|dish|pan\b", "bowl"),
    (r"plant|seed|pot\b|herb", "plant"),
    (r"towel|blanket|throw|scarf|cloth|apron|linen|napkin|rug", "cloth"),
    (r"sock", "sock"),
    (r"grinder", "grinder"),
    (r"pour-over|dripper|carafe|brewer", "dripper"),
    (r"coffee|espresso|roast", "pouch"),
    (r"jar|\btea\b|honey|jam|granola|spice|tin\b|chocolate|cocoa|salt", "jar"),
    (r"gift card", "card"),
)


def picture(title: str, product_type: str, colour: str) -> str:
    """An SVG of a product; a box when nothing in its words is known."""
    words = f"{title} {product_type}".lower()
    shape = next((name for pattern, name in WORDS if re.search(pattern, words)), "box")
    return PAGES.get_template(f"pictures/{shape}.svg").render(colour=colour)
