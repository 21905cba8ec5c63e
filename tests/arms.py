"""An arm for every protocol at small settings, for tests that play whole experiments with all of them."""

from collections.abc import Mapping
from typing import Any

from app.protocols import PROTOCOLS
from app.protocols.core import Case, Protocol, Seat
from app.protocols.rehearsal import rehearse

SMALL: Mapping[str, Mapping[str, Any]] = {
    "naive": {},
    "expert": {},
    "quotes-only": {},
    "consultancy": {"rounds": 2, "questions": "questioner"},
    "double-consultancy": {"rounds": 2},
    "debate": {"rounds": 2, "candidates": 2, "refinements": 2, "attack": "inject-instructions"},
    "critique": {"rebuttal": True, "grade": True},
    "critique-planted-flaws": {"depth": 2, "planted": 1, "mark": True},
    "recursive-critique": {"votes": True},
    "prover-verifier": {},
    "market-making": {"steps": 1, "candidates": 2, "reads": 2, "price_reads": 2},
    "recursive-reward-modelling": {"questions": 2, "calls": 3, "misleading": 0.5},
    "prover-estimator": {"depth": 1, "least_parts": 2, "most_parts": 2},
    "open-consultancy": {"rounds": 2, "questions": "questioner"},
    "open-debate": {"rounds": 2},
    "interactive-consultancy": {"min_rounds": 1, "max_rounds": 2},
    "interactive-debate": {"min_rounds": 1, "max_rounds": 2},
}
"""Settings under which a protocol asks for everything that it ever asks for, and for little more."""


PRESSURE = {"candidates": 1, "refinements": 0, "attack": "none"}
"""Settings that close seats to people, as they are where people may sit."""


def open_seats() -> list[tuple[str, Seat]]:
    """Every seat that a protocol opens to people, with the protocol's name, and the judge where it takes part or marks."""
    found = []
    for name in PROTOCOLS:
        # A protocol without settings is missed by the tests that play it; one that is only listed goes without.
        protocol = _for_people(name, SMALL.get(name, {}))
        found += [(name, seat) for seat in protocol.seats() if seat.people]
        if protocol.judge_takes_part or getattr(protocol, "mark", False):
            found.append((name, protocol.judge))
    return found


def with_a_person(name: str, seat: str, reader: str, other: str, **settings: Any) -> dict[str, Any]:
    """The arm of a protocol in which a person holds one seat, and the built-ins `reader` and `other` all others."""
    protocol = _for_people(name, {**small(name), **settings})
    held: dict[str, str] = {}
    for one in protocol.seats():
        held[one.name] = held[one.default] if one.default else reader if one.reads_passage else other
    taken = {seat: "people"} if seat in held else {}
    return {"protocol": name, **protocol.model_dump(exclude_unset=True), "seats": held | taken}


def _for_people(name: str, settings: Mapping[str, Any]) -> Protocol:
    rules = PROTOCOLS[name]
    known = {key: value for key, value in {**settings, **PRESSURE}.items() if key in rules.model_fields}
    return rules.model_validate(known)


def arms(reader: str, other: str, **settings: Any) -> dict[str, dict[str, Any]]:
    """An arm for each protocol by its name: who reads the passage is `reader`, who does not, or weighs it, is `other`.

    `settings` go to every arm whose protocol has them; a judge's seat in the talk is left to the panel.
    """
    return {name: arm(name, reader, other, **settings) for name in PROTOCOLS}


def small(name: str) -> Mapping[str, Any]:
    """Small settings of a protocol."""
    assert name in SMALL, f"{name} has no small settings: add them to SMALL in tests/arms.py."
    return SMALL[name]


def arm(name: str, reader: str, other: str, **settings: Any) -> dict[str, Any]:
    """An arm for one protocol, as in `arms`."""
    rules = PROTOCOLS[name]
    common = {key: value for key, value in settings.items() if key in rules.model_fields}
    protocol = rules.model_validate({**common, **small(name)})
    asks = rehearse(protocol, Case("", ("", " "), protocol.assignments(2)[0].argues, seed=0))
    weighing = {ask.seat for ask in asks if ask.wants in ("belief", "rating", "thought")}
    seats = {
        seat.name: reader if seat.reads_passage and seat.name not in weighing else other
        for seat in protocol.seats()
        if seat.default is None and seat.name != protocol.judge.name
    }
    return {"protocol": name, **common, **small(name), **({"seats": seats} if seats else {})}
