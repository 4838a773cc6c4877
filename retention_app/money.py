"""Money between its decimal text and integer minor units. Exact, or an error; never a float."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

# ISO 4217 minor units where they aren't 2. Display rules (CLDR) differ for some currencies and don't belong here.
_EXPONENTS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}
_LARGEST = 2**63 - 1  # what a database column holds
_MAYBE_THOUSANDS = re.compile(r"\d{1,3}[.,]\d{3}")  # 1,000 is a thousand to some readers and one to others


def exponent(currency: str) -> int:
    """How many decimals the currency's smallest unit has: 2 for EUR, 0 for JPY, 3 for KWD."""
    return _EXPONENTS.get(currency, 2)


def minor_units(amount: str, currency: str) -> int:
    """`"18.5"` EUR → 1850. Raises ValueError for text that isn't an amount or has more decimals than the currency."""
    try:
        minor = Decimal(amount).scaleb(exponent(currency))
    except (InvalidOperation, TypeError) as error:
        raise ValueError(f"{amount!r} is no amount.") from error
    if not minor.is_finite() or abs(minor) > _LARGEST:
        raise ValueError(f"{amount} is no amount we can keep.")
    if minor != minor.to_integral_value():
        raise ValueError(f"{amount} has more decimals than {currency} allows.")
    return int(minor)


def typed_minor_units(text: str, currency: str) -> int:
    """As `minor_units`, of what a person typed: with either decimal sign, but never one that may mean thousands."""
    text = text.strip()
    if exponent(currency) != 3 and _MAYBE_THOUSANDS.fullmatch(text):
        raise ValueError(f"{text} may be thousands or decimals.")
    return minor_units(text.replace(",", "."), currency)


def example_amount(currency: str) -> str:
    """One of the currency, as it may be typed: 1.00."""
    return f"{Decimal(1):.{exponent(currency)}f}"
