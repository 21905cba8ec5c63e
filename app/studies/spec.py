"""The file that describes a study, read and checked.

A study recruits people for one experiment or several. It says what is promised to a person, which pages they pass, what
is asked there, how careless work is recognised, and what is paid. It knows no table and no page.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import to_jsonable_python

from app.experiments.spec import NAME, Part, SpecError, first_mistake, load_yaml, one_of
from app.money import in_minor
from models.ends import COUNTED as COUNTED
from models.ends import End as End

FILE = "the study's file"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
CODE = r"^[A-Za-z0-9_-]{1,100}$"
MOST_TEXT = 40_000
"""Characters of a page's text, or of a speech in an item."""

Text = Annotated[str, Field(max_length=MOST_TEXT)]
Line = Annotated[str, Field(min_length=1, max_length=500)]


class Page(StrEnum):
    """A page that a participant passes, in this order."""

    CONSENT = "consent"
    INSTRUCTIONS = "instructions"
    COMPREHENSION = "comprehension"
    PRACTICE = "practice"
    TRIALS = "trials"
    QUESTIONNAIRE = "questionnaire"
    DEBRIEFING = "debriefing"


class Item(Part):
    """A made-up trial with a known answer, shown as a real one is. Its verdict never enters a figure of accuracy."""

    key: str = Field(pattern=NAME)
    question: Line
    answers: tuple[Line, ...] = Field(min_length=2, max_length=10)
    right: int = Field(ge=0)
    """Index of the right answer."""
    speeches: tuple["ItemSpeech", ...] = ()
    why: Text = ""
    """Why the answer is right, shown after a practice item."""
    at_least: float = Field(0.5, gt=0, le=1)
    """The belief in the right answer above which the item is passed; at 1 it must be 1."""

    @model_validator(mode="after")
    def _right_is_an_answer(self) -> Self:
        if self.right >= len(self.answers):
            raise ValueError(
                f"right is {self.right}, but answers are counted from 0 to {len(self.answers) - 1}"
            )
        return self

    def passed(self, belief: float) -> bool:
        """Return whether a belief in the right answer passes the item."""
        return belief > self.at_least or belief == 1


class ItemSpeech(Part):
    """A speech of an item. Quotes are marked as in debates, `<v_quote>` for one that is in the text, `<u_quote>` otherwise."""

    speaker: Line
    text: Text


class TextPage(Part):
    """A page with nothing but a text in Markdown."""

    text: Text = ""


class ComprehensionQuestion(Part):
    """A question on the instructions."""

    question: Line
    answers: tuple[Line, ...] = Field(min_length=2, max_length=10)
    right: int = Field(ge=0)
    why: Text = ""
    """What a wrong answer is met with."""

    @model_validator(mode="after")
    def _right_is_an_answer(self) -> Self:
        if self.right >= len(self.answers):
            raise ValueError(
                f"right is {self.right}, but answers are counted from 0 to {len(self.answers) - 1}"
            )
        return self


class Comprehension(TextPage):
    """Questions that all must be answered right."""

    questions: tuple[ComprehensionQuestion, ...] = Field(min_length=1, max_length=30)
    attempts: int = Field(2, ge=1, le=10)
    """Attempts before a person is screened out."""


class Practice(TextPage):
    """Items with feedback that says why."""

    items: tuple[Item, ...] = Field(min_length=1, max_length=20)


class FieldKind(StrEnum):
    """What a field of the questionnaire takes."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    NUMBER = "number"
    YES_NO = "yes_no"
    CHOICE = "choice"
    CHOICES = "choices"
    SCALE = "scale"
    """One of `choices`, in a row, from the first to the last."""


class QuestionnaireField(Part):
    """A field of the questionnaire."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")
    kind: FieldKind
    label: Line
    hint: str = Field("", max_length=500)
    choices: tuple[Line, ...] = Field((), max_length=50)
    required: bool = False

    @model_validator(mode="after")
    def _choices_where_needed(self) -> Self:
        chooses = self.kind in (FieldKind.CHOICE, FieldKind.CHOICES, FieldKind.SCALE)
        if chooses != bool(self.choices):
            raise ValueError(
                f"choices are for the kinds choice, choices and scale; '{self.name}' is {self.kind}"
            )
        return self


class Questionnaire(TextPage):
    """What is asked after the trials."""

    fields: tuple[QuestionnaireField, ...] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        _differ((field.name for field in self.fields), "fields")
        return self


class Pages(Part):
    """The pages, each of which can be left out."""

    consent: TextPage | None = None
    instructions: TextPage | None = None
    comprehension: Comprehension | None = None
    practice: Practice | None = None
    questionnaire: Questionnaire | None = None
    debriefing: TextPage | None = None


class Recruiter(Part):
    """Where people come from."""

    kind: Literal["prolific", "mturk", "link"] = "link"
    token: str | None = Field(None, pattern=VARIABLE)
    """Environment variable with the token of Prolific's API; without one nothing is asked of Prolific."""
    webhook_secret: str | None = Field(None, pattern=VARIABLE)
    """Environment variable with the secret that signs Prolific's webhooks."""
    study: str = Field("", max_length=100)
    """Prolific's id of a study that is there already; one is created where it is empty."""
    completed: str = Field("", pattern=rf"^$|{CODE}")
    """Code for those who completed; one is made where it is empty. The same holds for the two below."""
    screened_out: str = Field("", pattern=rf"^$|{CODE}")
    failed_checks: str = Field("", pattern=rf"^$|{CODE}")
    return_url: str = Field("", max_length=500)
    """Where people go in the end; empty: Prolific's own address, and none for others."""

    @model_validator(mode="after")
    def _returns_safely(self) -> Self:
        if self.return_url and not _is_safe(self.return_url):
            raise ValueError(
                f"return_url is '{self.return_url}': it must begin with https:// and name a host"
            )
        return self


class Money(Part):
    """A sum of money."""

    amount: Decimal = Field(ge=0, le=10_000, decimal_places=2)
    currency: str = Field("GBP", pattern="^[A-Z]{3}$")

    @property
    def minor(self) -> int:
        """Return the sum in hundredths: pence, cents."""
        return in_minor(self.amount)


class Bonus(Part):
    """A bonus by a proper scoring rule over a person's verdicts."""

    rule: Literal["brier", "log", "spherical"] = "brier"
    most: Decimal = Field(gt=0, le=1000, decimal_places=2)
    """What a perfect score pays, in the currency of the reward."""
    binarised: bool = False
    """Whether the score is the chance of the whole sum, drawn for each person from one verdict (Hossain and Okui 2013)."""

    @property
    def minor(self) -> int:
        """Return what a perfect score pays in hundredths: pence, cents."""
        return in_minor(self.most)


class SmallerPay(Part):
    """What is paid, in the currency of the reward, to those whose part ends so. Nothing, unless the file says more."""

    screened_out: Decimal = Field(Decimal(0), ge=0, le=10_000, decimal_places=2)
    """For those who did not pass the comprehension questions, or did not consent."""
    failed_checks: Decimal = Field(Decimal(0), ge=0, le=10_000, decimal_places=2)
    """For those whose part ended with failed attention checks."""

    def minor(self, end: str) -> int:
        """Return the sum for an end in hundredths; 0 for other ends."""
        return in_minor(getattr(self, end, Decimal(0))) if end in type(self).model_fields else 0


class Flag(StrEnum):
    """A sign of careless or assisted work. By itself it rejects no one."""

    TOO_FAST = "too_fast"
    SAME_REASONS = "same_reasons"
    STRAIGHT_LINING = "straight_lining"
    ATTENTION_FAILED = "attention_failed"
    GOLD_FAILED = "gold_failed"
    PASTED = "pasted"
    FEW_KEYSTROKES = "few_keystrokes"
    AWAY = "away"


class Checks(Part):
    """Items between the trials, and what is taken as careless."""

    attention: tuple[Item, ...] = Field((), max_length=20)
    """Items whose answer is plain, or whose instruction is in their text."""
    gold: tuple[Item, ...] = Field((), max_length=20)
    """Items whose answer is known; failing one is only counted."""
    failed_ends: int | None = Field(None, ge=1, le=20)
    """Failed attention checks at which a person's part ends with that code; never where absent."""
    minimum_seconds: float = Field(15, ge=0, le=3600)
    """Active seconds below which a trial is too fast."""
    same_reasons: int = Field(3, ge=2, le=100)
    """Verdicts with the same reason that raise the flag."""
    straight_lining: int = Field(5, ge=2, le=100)
    """Verdicts with the same belief in the first answer, one after another, that raise the flag."""
    pasted_share: float = Field(0.5, gt=0, le=1)
    """Share of a reason that came by pasting, from which on it counts as pasted."""
    keystrokes_share: float = Field(0.5, gt=0, le=1)
    """Keystrokes for each character of a reason, below which they are few."""
    away_seconds: float = Field(120, ge=1, le=36_000)
    """Seconds away from a trial from which on it counts."""


class Exclusion(Part):
    """A rule that leaves a person out of the figures. It uses nothing of an arm's outcome."""

    flag: Flag
    at_least: int = Field(1, ge=1, le=1000)
    """Trials (of checks: failed ones) with the flag from which on it applies."""


class Live(Part):
    """What happens in talks between people."""

    turn_seconds: int | None = Field(None, ge=10, le=86_400)
    """Time for each turn; none where absent."""
    grace_seconds: int = Field(30, ge=0, le=3600)
    """Time after that, during which a turn is still taken."""
    waiting_minutes: int = Field(10, ge=1, le=1440)
    """Minutes in the waiting room after which a person is let go, and paid."""
    leaves: Literal["replace", "end"] = "end"
    """When a person leaves: a model goes on in their seat, or the talk ends and the others are paid."""
    replacement: str | None = None
    """Participant of the experiment that goes on."""

    @model_validator(mode="after")
    def _replaced_by_one(self) -> Self:
        if (self.leaves == "replace") != (self.replacement is not None):
            raise ValueError("name a replacement where `leaves` is replace, and only there")
        return self


def _aware(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


When = Annotated[datetime | None, AfterValidator(_aware)]


class StudySpec(Part):
    """A study, as its file describes it."""

    name: str = Field(pattern=NAME)
    title: Line
    """What participants read as its name."""
    experiments: tuple[str, ...] = Field(min_length=1, max_length=20)
    """Names of the experiments whose trials are judged."""
    role: Literal["judge", "debater"] = "judge"
    trials: int = Field(ge=1, le=1000)
    """Trials that are promised to each person."""
    people: int = Field(ge=1, le=100_000)
    """People wanted."""
    minutes: int = Field(ge=1, le=1440)
    """How long it takes, as stated."""
    time_limit: int | None = Field(None, ge=1, le=100_000)
    """Minutes from joining after which a person has run out of time; no limit where absent."""
    reward: Money
    smaller_pay: SmallerPay = SmallerPay()
    bonus: Bonus | None = None
    opens: When = None
    closes: When = None
    recruiter: Recruiter = Recruiter()
    pages: Pages = Pages()
    checks: Checks = Checks()
    exclude: tuple[Exclusion, ...] = ()
    feedback: Literal["none", "each", "end"] = "none"
    """When a person learns what was right: never, after each trial, or after the last. Never while others could still learn from it."""
    looking: bool = False
    """Whether accuracy by arm may be seen while the study runs; each look is audited."""
    live: Live = Live()
    languages: tuple[Literal["en", "de"], ...] = Field(("en",), min_length=1)
    """Languages of the arena's own words on participants' pages; the texts are as written."""
    keep_days: int = Field(365, ge=1, le=36_500)
    """Days after its end for which recruiters' ids are kept."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.opens and self.closes and self.closes <= self.opens:
            raise ValueError("closes must be after opens")
        _differ(self.experiments, "experiments")
        _differ((item.key for item in self.items), "items")
        _differ((rule.flag for rule in self.exclude), "exclude")
        if max(self.smaller_pay.screened_out, self.smaller_pay.failed_checks) > self.reward.amount:
            raise ValueError("smaller_pay: it is at most the reward")
        if self.checks.failed_ends and self.checks.failed_ends > len(self.checks.attention):
            raise ValueError(
                f"checks.failed_ends is more than the {len(self.checks.attention)} attention checks"
            )
        return self

    @property
    def items(self) -> Iterator[Item]:
        """Yield every item, of practice and of checks."""
        yield from self.pages.practice.items if self.pages.practice else ()
        yield from self.checks.attention
        yield from self.checks.gold

    @property
    def path(self) -> tuple[Page, ...]:
        """Return the pages that a participant passes, in order."""
        return tuple(page for page in Page if page is Page.TRIALS or getattr(self.pages, page) is not None)

    @property
    def texts(self) -> Mapping[Page, str]:
        """Return the texts in Markdown by page."""
        return {page: part.text for page in Page if (part := getattr(self.pages, page, None)) is not None}

    def normalised(self) -> dict[str, Any]:
        """Return the whole as JSON with every default written out."""
        found: dict[str, Any] = to_jsonable_python(self)
        return found


def read_study(path: Path) -> StudySpec:
    """Return the study described by the YAML file at `path`. Raise SpecError."""
    return parse_study(load_yaml(path))


def parse_study(data: Any) -> StudySpec:
    """Return the study described by plain data. Raise SpecError."""
    if not isinstance(data, Mapping):
        raise SpecError(f"{FILE} must have keys with values, such as `name: pilot`.")
    _check_keys(data, schema(), FILE)
    try:
        return StudySpec.model_validate(dict(data))
    except ValidationError as error:
        raise SpecError(first_mistake(error)) from error


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **StudySpec.model_json_schema(mode="validation"),
    }


def schema_text() -> str:
    """Return the schema as in docs/formats/study-files.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _check_keys(data: Any, shape: Mapping[str, Any], where: str) -> None:
    """Refuse a key that no part of the file has, and name the nearest that there is. Raise SpecError."""
    for inner in shape.get("anyOf", ()):
        _check_keys(data, inner, where)
    if "$ref" in shape:
        _check_keys(data, schema()["$defs"][shape["$ref"].rpartition("/")[2]], where)
    elif isinstance(data, Mapping) and "properties" in shape:
        for key, value in data.items():
            one_of(str(key), shape["properties"], where, "key")
            _check_keys(value, shape["properties"][key], str(key) if where == FILE else f"{where}.{key}")
    elif isinstance(data, list) and "items" in shape:
        for place, value in enumerate(data):
            _check_keys(value, shape["items"], f"{where}.{place}")


def _is_safe(url: str) -> bool:
    """Return whether an address is one of https, without a user's name or a password in it."""
    try:
        found = urlsplit(url)
        return (
            found.scheme == "https" and bool(found.hostname) and "@" not in found.netloc and url.isprintable()
        )
    except ValueError:
        return False


def _differ(names: Iterable[str], where: str) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"{where}: {repeated[0]} is named twice")


if __name__ == "__main__":
    print(schema_text(), end="")
