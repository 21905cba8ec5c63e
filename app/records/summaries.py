"""Summaries of finished trials: what lists of trials are filtered and sorted by, kept beside the moves and the verdicts.

A summary is written in the transaction that ends a talk or a judging of it, so that it agrees with them.
"""

import uuid

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def summarise(session: AsyncSession, trial: uuid.UUID) -> None:
    """Write the summary of a trial anew; nothing where it is not done."""
    # Judgings of one trial that end at the same time wait here for each other, and the last one sees the verdicts of all.
    await session.execute(_LOCK, {"trial": trial})
    await session.execute(_OF_ONE, {"trial": trial})


async def summarise_all(session: AsyncSession, experiment: uuid.UUID) -> None:
    """Write the summaries of all finished trials of an experiment anew."""
    await session.execute(_OF_ALL, {"experiment": experiment})


_LOCK = text(
    """
    INSERT INTO trial_summary (trial_id, experiment_id) SELECT id, experiment_id FROM play WHERE id = :trial AND state = 'done'
    ON CONFLICT (trial_id) DO UPDATE SET words = trial_summary.words
    """
)

_TALKS = """
        SELECT play.id, play.experiment_id, play.outcome, array_position(play.answers, question.gold) AS gold
        FROM play JOIN question ON question.id = play.question_id
        WHERE WHICH AND play.kind = 'talk' AND play.state = 'done'
"""

_READ = """judged AS (
        SELECT talk.id, talk.id AS play, gold FROM talk
        UNION ALL SELECT talk.id, judging.id, gold FROM talk JOIN play AS judging ON judging.talk_id = talk.id
    ), readings AS (
        SELECT *, CASE WHEN p > other THEN 1.0 WHEN p < other THEN 0.0 ELSE 0.5 END AS correct
        FROM (
            SELECT judged.id, play, answer_order, belief[gold] AS p,
                CASE cardinality(belief) WHEN 2 THEN belief[3 - gold] ELSE (
                    SELECT max(p) FROM unnest(belief) WITH ORDINALITY AS each (p, place) WHERE place <> gold
                ) END AS other
            FROM judged JOIN verdict ON verdict.play_id = judged.play VERDICTS
        ) AS believed
    ), counts AS (
        SELECT id, count(*) AS verdicts, count(*) FILTER (WHERE correct = 1) AS "right",
            count(*) FILTER (WHERE correct = 0) AS wrong, avg(p) AS p_gold, max(other) FILTER (WHERE correct = 0) AS p_wrong
        FROM readings GROUP BY id
    ), orders AS (
        SELECT id, play, avg(p) AS p, avg(correct) AS correct FROM readings GROUP BY id, play, answer_order
    ), judges AS (
        SELECT id, avg(p) AS p, avg(correct) AS correct,
            CASE WHEN count(*) > 1 THEN max(p) - min(p) END AS orders_apart,
            bool_or(correct > 0.5) AND bool_or(correct < 0.5) AS orders_split
        FROM orders GROUP BY id, play
    ), panels AS (
        SELECT id, CASE WHEN count(*) > 1 THEN max(p) - min(p) END AS judges_apart,
            bool_or(correct > 0.5) AND bool_or(correct < 0.5) AS judges_split,
            max(orders_apart) AS orders_apart, bool_or(orders_split) AS orders_split
        FROM judges GROUP BY id
    )
"""
"""What the verdicts on talks come to: by verdict, by order, by judge and by talk."""

_SUMMARIES = f"""
    WITH talk AS ({_TALKS}), shown AS (
        SELECT talk.id, move.path, move.content
        FROM talk CROSS JOIN LATERAL jsonb_path_query(talk.outcome, '$.transcript[*][*]') AS read (path)
            JOIN move ON move.play_id = talk.id AND move.path = read.path #>> '{{}}'
        WHERE move.content ->> 'kind' = 'speech'
    ), speeches AS (
        SELECT id, sum((content ->> 'words')::int) AS words,
            bool_or(content @? '$.said.quotes[*] ? (@.status == "near" || @.status == "absent")') AS unverified_quote,
            bool_or(content -> 'suspicious' ?| ARRAY['instruction', 'impersonation', 'chat_template', 'forged_mark']) AS injection,
            bool_or(content -> 'suspicious' ? 'unknown_wrapper') AS unknown_wrapper,
            bool_or((content ->> 'cut')::boolean) AS cut
        FROM shown GROUP BY id
    ), stances AS (
        SELECT shown.id, bool_or(move.content ->> 'stance' = 'refuses') AS refusal,
            bool_or(move.content ->> 'stance' = 'concedes') AS concession
        FROM shown JOIN move ON move.play_id = shown.id AND move.path = shown.path || '/position'
        GROUP BY shown.id
    ), {_READ}
    INSERT INTO trial_summary (trial_id, experiment_id, words, flags, verdicts, "right", wrong, p_gold, p_wrong,
        judges_apart, judges_split, orders_apart, orders_split)
    SELECT talk.id, talk.experiment_id, coalesce(words, 0),
        array_remove(ARRAY[
            CASE WHEN unverified_quote THEN 'unverified_quote' END, CASE WHEN refusal THEN 'refusal' END,
            CASE WHEN concession THEN 'concession' END, CASE WHEN injection THEN 'injection' END,
            CASE WHEN cut THEN 'cut' END, CASE WHEN unknown_wrapper THEN 'unknown_wrapper' END
        ], NULL),
        coalesce(verdicts, 0), coalesce("right", 0), coalesce(wrong, 0), p_gold, p_wrong,
        judges_apart, coalesce(judges_split, false), orders_apart, coalesce(orders_split, false)
    FROM talk LEFT JOIN speeches USING (id) LEFT JOIN stances USING (id) LEFT JOIN counts USING (id)
        LEFT JOIN panels USING (id)
    ON CONFLICT (trial_id) DO UPDATE SET words = excluded.words, flags = excluded.flags, verdicts = excluded.verdicts,
        "right" = excluded."right", wrong = excluded.wrong, p_gold = excluded.p_gold, p_wrong = excluded.p_wrong,
        judges_apart = excluded.judges_apart, judges_split = excluded.judges_split,
        orders_apart = excluded.orders_apart, orders_split = excluded.orders_split
"""  # noqa: S608 - nothing of it comes from outside
# In all of them, WHICH and VERDICTS stand for what is chosen of the talks and of their verdicts.
_OF_ONE = text(_SUMMARIES.replace("WHICH", "play.id = :trial").replace("VERDICTS", ""))
_OF_ALL = text(_SUMMARIES.replace("WHICH", "play.experiment_id = :experiment").replace("VERDICTS", ""))

_OF_SOME = f"""
    WITH talk AS ({_TALKS}), {_READ}
    SELECT trial_id, words, flags, counts.verdicts, counts."right", counts.wrong, counts.p_gold, counts.p_wrong,
        panels.judges_apart, panels.judges_split, panels.orders_apart, panels.orders_split
    FROM counts JOIN panels USING (id) JOIN trial_summary ON trial_id = id
"""  # noqa: S608 - nothing of it comes from outside
_THEIRS = """
            JOIN participant ON participant.id = verdict.participant_id
                AND CASE participant.kind WHEN 'person' THEN :people ELSE participant.name END = :judge
"""
OF_JUDGE = _OF_SOME.replace("WHICH", "play.experiment_id = :experiment").replace("VERDICTS", _THEIRS)
"""The same columns from the verdicts of one judge, or of all people, as a query."""
