"""Product pictures, drawn: a soft ground in the product's colour and a plain shape of what it is."""

import re

from jinja2 import Environment

SHAPES = {
    "mug": '<path d="M190 210h190v180a50 50 0 0 1-50 50h-90a50 50 0 0 1-50-50z"/><path d="M380 250h24a56 56 0 0 1 0 112h-24" fill="none" stroke-width="26"/>',
    "bottle": '<path d="M262 130h76v60l30 46v200a34 34 0 0 1-34 34h-68a34 34 0 0 1-34-34V236l30-46z"/><path d="M232 310h136v84H232z" class="light"/>',
    "candle": '<path d="M214 270h172v150a40 40 0 0 1-40 40h-92a40 40 0 0 1-40-40z"/><path d="M300 270v-34" fill="none" stroke-width="10"/><path d="M300 238c-26-26-8-52 0-78 8 26 26 52 0 78z" class="light"/>',
    "bag": '<path d="M180 236h240l-22 218H202z"/><path d="M240 270v-54a60 60 0 0 1 120 0v54" fill="none" stroke-width="18" class="light-line"/>',
    "book": '<path d="M200 150h184a24 24 0 0 1 24 24v276H224a24 24 0 0 1-24-24z"/><path d="M236 204h130v18H236zm0 44h88v18h-88z" class="light"/>',
    "shirt": '<path d="M236 166h40a24 24 0 0 0 48 0h40l92 62-40 70-32-18v168H216V280l-32 18-40-70z"/>',
    "disc": '<circle cx="300" cy="300" r="160"/><circle cx="300" cy="300" r="112" class="light-line" fill="none" stroke-width="3"/><circle cx="300" cy="300" r="84" class="light-line" fill="none" stroke-width="3"/><circle cx="300" cy="300" r="54" class="light"/><circle cx="300" cy="300" r="12"/>',
    "bowl": '<path d="M150 280h300a150 150 0 0 1-150 150 150 150 0 0 1-150-150z"/><path d="M244 430h112v24H244z"/>',
    "soap": '<rect x="170" y="236" width="260" height="150" rx="56"/><rect x="218" y="278" width="164" height="66" rx="28" class="light"/>',
    "plant": '<path d="M222 350h156l-18 110H240z"/><path d="M300 350c0-80-70-90-96-150 70-10 100 40 96 90 4-70 40-120 110-120-10 70-60 90-110 180z" class="light"/>',
    "cloth": '<path d="M170 200h260v200H170z"/><path d="M170 236h260M170 364h260" fill="none" stroke-width="10" class="light-line"/><path d="M190 400v26m44-26v26m44-26v26m44-26v26m44-26v26m44-26v26" fill="none" stroke-width="8"/>',
    "sock": '<path d="M250 140h104v176l66 58a44 44 0 0 1-40 76c-60-8-130-60-130-120z"/><path d="M250 140h104v44H250z" class="light"/>',
    "jar": '<path d="M214 226h172v200a34 34 0 0 1-34 34H248a34 34 0 0 1-34-34z"/><rect x="204" y="164" width="192" height="48" rx="14" class="light"/><path d="M214 300h172v84H214z" class="light"/>',
    "card": '<rect x="150" y="206" width="300" height="190" rx="22"/><path d="M150 256h300v36H150z" class="light"/>',
    "box": '<path d="M180 250h240v190H180z"/><path d="M164 204h272v60H164z" class="light"/><path d="M284 204h32v236h-32z"/>',
}

WORDS = (
    (r"\bmug|\bcup|caneca|\bespresso", "mug"),
    (r"soap|\bbar\b", "soap"),
    (r"bottle|oil\b|wash|lotion|shampoo|serum|mist|tonic|balm", "bottle"),
    (r"candle|\bvela", "candle"),
    (r"\bbag|tote|pouch|backpack|basket", "bag"),
    (r"notebook|book|journal|planner|sketch", "book"),
    (r"shirt|\btee\b|hoodie|sweater|jumper", "shirt"),
    (r"\bcds?\b|vinyl|record|album|music", "disc"),
    (r"bowl|plate|dish|pan\b", "bowl"),
    (r"plant|seed|pot\b|herb", "plant"),
    (r"towel|blanket|throw|scarf|cloth|apron|linen|napkin|rug", "cloth"),
    (r"sock", "sock"),
    (r"jar|coffee|\btea\b|honey|jam|granola|spice|tin\b|chocolate|cocoa|salt", "jar"),
    (r"gift card", "card"),
)

PICTURE = Environment(autoescape=True).from_string(
    """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 600" width="600" height="600">
<defs>
<radialGradient id="ground" cx="0.35" cy="0.25" r="1"><stop offset="0" stop-color="{{ colour }}" stop-opacity="0.16"/><stop offset="1" stop-color="{{ colour }}" stop-opacity="0.36"/></radialGradient>
<style>.thing{fill:{{ colour }};stroke:{{ colour }};stroke-width:0;stroke-linecap:round}.light{fill:#fff;fill-opacity:.34;stroke:#fff;stroke-opacity:.34}.light-line{stroke:#fff;stroke-opacity:.4}</style>
</defs>
<rect width="600" height="600" fill="#fff"/><rect width="600" height="600" fill="url(#ground)"/>
<ellipse cx="300" cy="466" rx="150" ry="16" fill="{{ colour }}" fill-opacity="0.24"/>
<g class="thing">{{ shape|safe }}</g>
</svg>
"""
)


def picture(title: str, product_type: str, colour: str) -> str:
    """An SVG of a product; a box when nothing in its words is known."""
    words = f"{title} {product_type}".lower()
    shape = next((name for pattern, name in WORDS if re.search(pattern, words)), "box")
    return PICTURE.render(colour=colour, shape=SHAPES[shape])
