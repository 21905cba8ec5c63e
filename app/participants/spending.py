"""What requests to models take, what they cost, and whether a cap is reached; knows no database and sends nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from app.participants.base import Ending

CHARACTERS_PER_TOKEN = 4.4
"""QuALITY's stories have 27,700 characters and 6,300 tokens on average (Michael et al. 2023)."""


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a million tokens, in any currency."""

    prompt: float
    completion: float
    cached: float | None = None
    """The price of cached prompt tokens; None for the price of the prompt."""

    def cost(self, prompt: int, cached: int, completion: int) -> float:
        """Return the price of so many tokens. `prompt` has the cached ones among it."""
        of_cached = self.prompt if self.cached is None else self.cached
        return ((prompt - cached) * self.prompt + cached * of_cached + completion * self.completion) / 1e6

    @property
    def dearest(self) -> float:
        """Return the most that a million tokens may cost."""
        return max(self.prompt, self.completion)


@dataclass(frozen=True, slots=True)
class Use:
    """Requests to one model, or to several."""

    calls: int = 0
    """Every attempt that was sent, whatever came of it."""
    prompt: int = 0
    """Tokens of prompts, cached ones included."""
    cached: int = 0
    completion: int = 0

    @property
    def tokens(self) -> int:
        """Return the tokens of prompts and replies together."""
        return self.prompt + self.completion

    def __add__(self, other: "Use") -> "Use":
        return Use(
            self.calls + other.calls,
            self.prompt + other.prompt,
            self.cached + other.cached,
            self.completion + other.completion,
        )


def tokens_of(ending: Ending, characters: int) -> Use:
    """Return the tokens of an attempt at a prompt of so many characters.

    Where a reply came and the server counts no tokens, they are counted by characters. So is the prompt of an attempt
    whose reply did not come in time, or cannot be read: the server has worked on it. An attempt that the server
    refused, or that never reached it, took none.
    """
    text = (ending.reply or {}).get("text")
    written = _by_characters(len(text)) if isinstance(text, str) else 0
    if ending.status in ("http", "connection"):
        return Use()
    cached = ending.tokens_cached or 0
    sent = _by_characters(characters) if ending.tokens_in is None else ending.tokens_in
    # Some servers count the cached tokens apart.
    prompt = sent if cached <= sent else sent + cached
    return Use(0, prompt, cached, written if ending.tokens_out is None else ending.tokens_out)


def _by_characters(count: int) -> int:
    return round(count / CHARACTERS_PER_TOKEN)


# ── caps ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that an experiment may take; None where there is no limit."""

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Self:
        """Return a cap from its JSON; none at all from None."""
        return cls(**{field.name: (stored or {}).get(field.name) for field in fields(cls)})

    def as_json(self) -> dict[str, Any]:
        """Return what is limited."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def changed(self, changes: Mapping[str, float]) -> "Cap":
        """Return the cap with other figures; 0 lifts one."""
        return Cap.of({**self.as_json(), **{name: value or None for name, value in changes.items()}})

    def __bool__(self) -> bool:
        return bool(self.as_json())


@dataclass(frozen=True, slots=True)
class Spent:
    """What an experiment has taken, beside its cap."""

    cap: Cap
    use: Use
    money: float | None
    """None without prices."""

    @property
    def reached(self) -> list[str]:
        """Return the names of the caps that are reached."""
        has = {"calls": self.use.calls, "tokens": self.use.tokens, "money": self.money or 0.0}
        return [name for name, most in self.cap.as_json().items() if has[name] >= most]

    @property
    def sentence(self) -> str | None:
        """Return which cap is reached, and by how much; None where none is."""
        if not self.reached:
            return None
        has = {"calls": self.use.calls, "tokens": self.use.tokens, "money": self.money or 0.0}
        said = [_of(name, has[name], self.cap.as_json()[name]) for name in self.reached]
        return f"The spending cap is reached: {'; '.join(said)}. Nothing is lost; raise the cap to go on."


def _of(name: str, has: float, most: float) -> str:
    """Return one cap and what was taken of it, such as “120 calls of at most 100, 20 over”."""
    over = has - most
    if name == "money":
        return f"{has:,.2f} of at most {most:,.2f} spent" + (f", {over:,.2f} over" if over >= 0.005 else "")
    return f"{has:,} {name} of at most {most:,}" + (f", {over:,} over" if over else "")


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of an experiment, by endpoint and model."""

    by_model: Mapping[tuple[str, str], Price]

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Self:
        """Return the prices in the frozen spec of an experiment."""
        found = {}
        for name, price in spec.get("prices", {}).items():
            settings = spec["participants"][name]
            # A participant with an address has an endpoint of the same name.
            found[settings.get("endpoint") or name, settings["model"]] = Price(**price)
        return cls(found)

    def money(self, uses: Mapping[tuple[str, str], Use]) -> float | None:
        """Return what requests cost; None without prices. A model without a price costs what the dearest one does."""
        if not self.by_model:
            return None
        dearest = max(self.by_model.values(), key=lambda price: price.dearest)
        return sum(
            self.by_model.get(model, dearest).cost(use.prompt, use.cached, use.completion)
            for model, use in uses.items()
        )


def spent(cap: Cap, prices: Prices, uses: Mapping[tuple[str, str], Use]) -> Spent:
    """Return what requests to these models, by endpoint and model, take of a cap."""
    return Spent(cap, sum(uses.values(), Use()), prices.money(uses))
