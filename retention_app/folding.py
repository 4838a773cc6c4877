"""The words that customers and orders are found by: pure text, the same for what is stored and what is typed.

Lower case, without accents, cut into words. A customer has each word of the name and of the e-mail's first part, from
it to where the text goes on without a gap (so both `joao.silva@example.com` and `silva@example.com`), and the e-mail's
domain. Scripts that put no spaces into names have the whole name too.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

WORD_MAX = 64  # characters of a word that count
WORDS_MAX = 24  # of a customer

_ACCENTS = re.compile("[\u0300-\u036f]")
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})
_LETTERS_AND_DIGITS = re.compile(r"[^\W_]+")
_WITHOUT_SPACES = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")


def folded(text: str) -> str:
    """The text in lower case without accents: what differs in those only is the same to a search."""
    lower = unicodedata.normalize("NFKD", text.replace("\0", "")).casefold()
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", lower))
    return unicodedata.normalize("NFKC", bare).translate(_LETTERS)


def words_of(first_name: str, last_name: str, email: str) -> list[str]:
    """What a customer is found by, sorted; a word that another one begins with is left out."""
    local, _at, domain = _gapless(email).rpartition("@")
    found = _from_each_word(local, f"@{domain}" if local else "") | {domain}
    for text in folded(f"{first_name} {last_name}").split():
        found |= _from_each_word(text)
    if _WITHOUT_SPACES.search(first_name) and _WITHOUT_SPACES.search(last_name):
        found |= {_gapless(last_name + first_name), _gapless(first_name + last_name)}
    words = sorted({word[:WORD_MAX] for word in found} - {""})
    longest = [word for word, after in pairwise([*words, ""]) if not after.startswith(word)]
    return longest[:WORDS_MAX]


def word_rows(first_name: str, last_name: str, email: str) -> list[tuple[str, str]]:
    """Each of the words with all of them, a space before each."""
    words = words_of(first_name, last_name, email)
    beside = "".join(f" {word}" for word in words)
    return [(word, beside) for word in words]


def typed_words(text: str) -> list[str]:
    """The words of a search, as they are stored."""
    words = (folded(word).lstrip("@").rstrip(",;")[:WORD_MAX] for word in text.split())
    return [word for word in words if word]


def number_of(order_name: str) -> str:
    """The number of an order as it is found: 1042 of #1042."""
    return folded(order_name).lstrip("#")[:WORD_MAX]


def _gapless(text: str) -> str:
    return "".join(folded(text).split())


def _from_each_word(text: str, rest: str = "") -> set[str]:
    return {text[word.start() :] + rest for word in _LETTERS_AND_DIGITS.finditer(text)}
