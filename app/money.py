"""Sums of money in hundredths of a currency, and as people read them. It knows neither what is paid nor to whom."""

from collections.abc import Mapping
from decimal import Decimal

SIGNS: Mapping[str, str] = {"GBP": "£", "USD": "$", "EUR": "€"}


def in_minor(amount: Decimal) -> int:
    """Return a sum in hundredths; what is less than one is dropped."""
    return int(amount * 100)


def nearest(minor: float) -> int:
    """Return the nearest hundredth; half of one is paid."""
    return int(minor + 0.5)


def figure(minor: int) -> str:
    """Return a sum in hundredths as files and recruiters have it, such as 12.50."""
    return f"{Decimal(minor) / 100:.2f}"


def in_words(amount: Decimal, currency: str) -> str:
    """Return a sum as people read it, such as £6.00; other currencies with their letters."""
    digits = f"{amount:,.2f}"
    return f"{SIGNS[currency]}{digits}" if currency in SIGNS else f"{digits} {currency}"


def minor_in_words(minor: int, currency: str) -> str:
    """Return a sum in hundredths as people read it."""
    return in_words(Decimal(minor) / 100, currency)
