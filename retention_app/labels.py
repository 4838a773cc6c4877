"""What rules call products by: `product:<id>`, `collection:<id>`, `tag:<tag>`. Ids are Shopify's; a tag's case doesn't
count, as on the platform."""

from __future__ import annotations

LENGTH_MAX = 259  # a tag has 255 characters at most


def of_product(shopify_id: int) -> str:
    return f"product:{shopify_id}"


def of_collection(shopify_id: int) -> str:
    return f"collection:{shopify_id}"


def of_tag(tag: str) -> str:
    return f"tag:{tag.strip().lower()}"[:LENGTH_MAX]
