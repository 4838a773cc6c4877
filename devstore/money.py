"""Money as integer minor units of the shop's currency, and the two ways Shopify writes it."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache

NO_DECIMALS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"}
)
THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


def exponent(currency: str) -> int:
    """Decimal places of a currency: 2, or 0 (JPY), or 3 (KWD)."""
    if currency in NO_DECIMALS:
        return 0
    return 3 if currency in THREE_DECIMALS else 2


def parse_amount(text: str, currency: str) -> int:
    """`"36.00"` → 3600. Raises ValueError for what is not a plain decimal or is finer than the currency."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount") from None
    if not amount.is_finite():
        raise ValueError(f"{text!r} is not an amount")
    minor = amount.scaleb(exponent(currency))
    if minor != minor.to_integral_value():
        raise ValueError(f"{text!r} has more decimal places than {currency} has")
    return int(minor)


def fixed_amount(minor: int, currency: str) -> str:
    """How webhooks and pages write it: always the currency's places, `"36.00"`, JPY `"500"`."""
    places = exponent(currency)
    if places == 0:
        return str(minor)
    sign, digits = ("-", -minor) if minor < 0 else ("", minor)
    whole, part = divmod(digits, 10**places)
    return f"{sign}{whole}.{part:0{places}d}"


def subunits(minor: int, currency: str) -> int:
    """How Liquid writes it: hundredths, also of currencies without them (1,000 yen are 100000)."""
    return minor * 100 if exponent(currency) == 0 else minor


@lru_cache(16384)
def graphql_amount(minor: int, currency: str) -> str:
    """How GraphQL's Decimal writes it: no trailing zero but one place at least, `"36.0"`, `"4.9"`, JPY `"500.0"`."""
    places = exponent(currency)
    if places == 0:
        return f"{minor}.0"
    text = fixed_amount(minor, currency).rstrip("0")
    return text + "0" if text[-1] == "." else text


def share(total: int, part: int, whole: int) -> int:
    """`total × part / whole`, rounded half up (away from zero); 0 when there is no whole."""
    if whole == 0:
        return 0
    product = abs(total) * part
    rounded = (2 * product + whole) // (2 * whole)
    return rounded if total >= 0 else -rounded


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Divide `total` in proportion to `weights` so that the parts add up to it exactly."""
    whole, seen, given, parts = sum(weights), 0, 0, []
    for weight in weights:
        seen += weight
        upto = share(total, seen, whole)
        parts.append(upto - given)
        given = upto
    return parts


def percent_of(amount: int, percent: str) -> int:
    """A percentage (`"10"`, `"7.5"`) of an amount, rounded half up."""
    return int((amount * Decimal(percent) / 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))
