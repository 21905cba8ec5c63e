"""Query parameters that pages and API share."""

from typing import Annotated, Literal

from fastapi import Depends, Query

from app.exchange.choices import Orders, PairShape, PairSource, Part
from app.exchange.options import Options
from app.records.finding import FLAGS, Judged, Sort, Split, Wanted

PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]
Search = Annotated[str, Query(max_length=200)]
State = Literal["", "queued", "waiting", "done", "failed", "judgement failed"]
"""Of a trial, or of one of its judgements."""
Whole = Annotated[str, Query(pattern=r"^\d{0,7}$")]
"""A whole number, or empty as forms send it."""


def _wanted(
    arm: Search = "",
    state: State = "",
    passage: Annotated[str, Query(max_length=200, description="Its key.")] = "",
    judged: Annotated[
        Judged,
        Query(
            description="Trials with such a verdict; `confident`: wrong, with at least 80% on a wrong answer."
        ),
    ] = "",
    judge: Annotated[
        str,
        Query(
            max_length=200, description="Whose verdicts count: a name, or `people` for those of all people."
        ),
    ] = "",
    split: Annotated[
        Split, Query(description="Where one judge, or one reading order, is right and another wrong.")
    ] = "",
    gold_min: Annotated[Whole, Query(description="Least mean belief in gold, in percent.")] = "",
    gold_max: Annotated[Whole, Query(description="Most mean belief in gold, in percent.")] = "",
    words_min: Annotated[Whole, Query(description="Fewest words of the speeches that judges read.")] = "",
    words_max: Annotated[Whole, Query(description="Most words.")] = "",
    flag: Annotated[
        str, Query(max_length=40, description=f"Found in a speech: {', '.join(FLAGS)}, or `any`.")
    ] = "",
    text: Annotated[
        str, Query(max_length=200, description='Words, beginnings of words, and "phrases" of one speech.')
    ] = "",
    sort: Annotated[Sort, Query(description="The order; that of the queue where empty.")] = "",
) -> Wanted:
    """Return the filters and the order of a list of trials."""
    return Wanted(
        arm=arm,
        state=state,
        passage=passage,
        judged=judged,
        judge=judge,
        split=split,
        gold_min=_whole(gold_min),
        gold_max=_whole(gold_max),
        words_min=_whole(words_min),
        words_max=_whole(words_max),
        flag=flag,
        text=text.strip(),
        sort=sort,
    )


def _whole(entered: str) -> int | None:
    return int(entered) if entered else None


TrialFilter = Annotated[Wanted, Depends(_wanted)]


def export_options(
    include_passages: Annotated[
        bool, Query(description="Write the hidden texts into transcripts, pairs, logs and data sets.")
    ] = False,
    without: Annotated[list[Part], Query(description="What is left out.")] = [],  # noqa: B006 - never changed
    arm: Annotated[list[str], Query(max_length=100, description="Only these arms.")] = [],  # noqa: B006
    judge: Annotated[list[str], Query(max_length=100, description="Only these judges, or `people`.")] = [],  # noqa: B006
    pairs: Annotated[list[PairSource], Query(description="preferences: where pairs come from.")] = [],  # noqa: B006
    shape: Annotated[
        PairShape, Query(description="preferences: texts as lists of messages, or plain.")
    ] = PairShape.CONVERSATIONAL,
    margin: Annotated[
        float, Query(ge=0, le=1, description="preferences: least difference of the scores.")
    ] = 0.0,
    orders: Annotated[
        Orders, Query(description="weak-labels: how a judge's verdicts on a question become one label.")
    ] = Orders.MEAN,
    fresh_pseudonyms: Annotated[
        bool, Query(description="Give people pseudonyms that are new in this export.")
    ] = False,
) -> Options:
    """Return the choices of an export."""
    return Options(
        include_passages=include_passages,
        without=frozenset(without),
        arms=frozenset(arm),
        judges=frozenset(judge),
        sources=frozenset(pairs or PairSource),
        shape=shape,
        least_margin=margin,
        orders=orders,
        fresh_pseudonyms=fresh_pseudonyms,
    )


ExportOptions = Annotated[Options, Depends(export_options)]
