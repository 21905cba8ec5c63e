"""An experiment with many verdicts, made in the database by SQL: no talk is played and no judge is asked."""

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import psycopg

from app.experiments.spec import parse_spec

Judges: TypeAlias = Literal["people", "models"]
ARMS = ("naive", "expert", "consultancy", "debate")
TALKS = 6
"""Talks on a question: one for each of the first two arms, two for each of the others, one for each assignment."""
QUESTIONS = 5
"""Questions on a passage."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is made. People read a talk in one order, models in both."""

    talks: int = 50_000
    judges: int = 1_000
    verdicts: int = 1_000_000
    kind: Judges = "people"

    @property
    def questions(self) -> int:
        """Return the number of questions."""
        return self.talks // TALKS

    @property
    def readers(self) -> int:
        """Return how many judges read each talk."""
        return self.verdicts // self.talks // (1 if self.kind == "people" else 2)

    def scaled(self, by: float) -> "Size":
        """Return the same design with `by` times as many talks and verdicts, and judges."""
        return Size(int(self.talks * by), int(self.judges * by), int(self.verdicts * by), self.kind)


def spec(name: str, size: Size) -> dict[str, Any]:
    """Return the file of the experiment."""
    return {
        "name": name,
        "tasks": {"set": "made"},
        "participants": {
            "advocate": {"kind": "builtin", "name": "extractive-debater"},
            "judge": {"kind": "builtin", "name": "lexical-judge"},
        },
        "arms": {
            "naive": {"protocol": "naive"},
            "expert": {"protocol": "expert"},
            "consultancy": {
                "protocol": "consultancy",
                "questions": "none",
                "rounds": 1,
                "seats": {"consultant": "advocate"},
            },
            "debate": {"protocol": "debate", "rounds": 1, "seats": {"debaters": "advocate"}},
        },
        "judges": [{"humans": size.readers}] if size.kind == "people" else ["judge"],
        "elicit": "final",
        "contrasts": [["debate", "consultancy"], ["debate", "naive"], ["consultancy", "naive"]],
    }


def make(conninfo: str, name: str, size: Size) -> None:
    """Make the finished experiment `name` in a migrated database."""
    frozen = json.dumps(parse_spec(spec(name, size)).normalised())
    facts = {
        "name": name,
        "spec": frozen,
        "arms": list(ARMS),
        "questions": size.questions,
        "passages": -(-size.questions // QUESTIONS),
        "each": QUESTIONS,
        "judges": size.judges,
        "readers": size.readers,
        "orders": 1 if size.kind == "people" else 2,
        "kind": "person" if size.kind == "people" else "model",
    }
    with psycopg.connect(conninfo, cursor_factory=psycopg.ClientCursor) as connection:
        # Without triggers, so that no foreign key is looked up a million times.
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("SELECT setseed(0.5)")
        for statement in _STATEMENTS:
            connection.execute(statement, facts)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


_TASKS = """
    INSERT INTO task_set (id, name) VALUES (gen_random_uuid(), %(name)s);
    INSERT INTO text (digest, body) SELECT sha256(%(name)s::bytea), 'made' ON CONFLICT DO NOTHING;
    INSERT INTO passage (id, task_set_id, key, title, text_digest, family)
        SELECT gen_random_uuid(), task_set.id, 'p' || lpad(n::text, 5, '0'), 'Passage ' || n,
            sha256(%(name)s::bytea), sha256((%(name)s || n)::bytea)
        FROM task_set, generate_series(1, %(passages)s) AS n WHERE name = %(name)s;
    INSERT INTO question (id, task_set_id, passage_id, key, position, text, answers, gold)
        SELECT gen_random_uuid(), passage.task_set_id, passage.id, passage.key || '/q' || n, n, 'Why ' || n || '?',
            ARRAY['right', 'wrong'], 0
        FROM passage JOIN task_set ON task_set.id = passage.task_set_id, generate_series(1, %(each)s) AS n
        WHERE task_set.name = %(name)s ORDER BY passage.key, n LIMIT %(questions)s;
"""

_EXPERIMENT = """
    INSERT INTO endpoint (id, name, base_url)
        SELECT gen_random_uuid(), %(name)s, 'http://localhost:1/v1' WHERE %(kind)s = 'model';
    INSERT INTO participant (id, name, kind, endpoint_id, digest)
        SELECT gen_random_uuid(), 'judge-' || lpad(n::text, 4, '0'), %(kind)s,
            (SELECT id FROM endpoint WHERE name = %(name)s), %(name)s || n
        FROM generate_series(0, %(judges)s - 1) AS n;
    INSERT INTO experiment (id, name, task_set_id, spec, digest, seed)
        SELECT gen_random_uuid(), name, id, %(spec)s::jsonb, %(name)s, 1 FROM task_set WHERE name = %(name)s;
    INSERT INTO arm (id, experiment_id, name, position, protocol)
        SELECT gen_random_uuid(), experiment.id, arm, place - 1, arm
        FROM experiment, unnest(%(arms)s::text[]) WITH ORDINALITY AS named (arm, place)
        WHERE experiment.name = %(name)s;
    INSERT INTO judging_round (id, experiment_id, name, position, elicit, digest)
        SELECT gen_random_uuid(), id, 'first', 0, 'final', '' FROM experiment WHERE name = %(name)s;
"""

_TALKS = """
    INSERT INTO play (id, kind, experiment_id, seed, state, outcome, finished_at, arm_id, question_id, answers, argues,
            assignment, replicate, position)
        SELECT gen_random_uuid(), 'talk', experiment.id, 1, 'done', '{"transcript": [], "measures": {"words": 100}}', now(),
            arm.id, question.id, CASE WHEN random() < 0.5 THEN ARRAY[0, 1] ELSE ARRAY[1, 0] END,
            CASE arm.name WHEN 'debate' THEN jsonb_build_object('debater_a', assignment, 'debater_b', 1 - assignment)
                WHEN 'consultancy' THEN jsonb_build_object('consultant', assignment) ELSE '{}' END,
            assignment, 0, row_number() OVER (ORDER BY question.key, arm.position, assignment) - 1
        FROM experiment JOIN arm ON arm.experiment_id = experiment.id
            JOIN question ON question.task_set_id = experiment.task_set_id
            CROSS JOIN generate_series(0, 1) AS assignment
        WHERE experiment.name = %(name)s AND (assignment = 0 OR arm.position > 1);
"""

_JUDGINGS = """
    WITH talk AS (
        SELECT play.id, play.experiment_id, play.position FROM play JOIN experiment ON experiment.id = play.experiment_id
        WHERE experiment.name = %(name)s AND play.kind = 'talk'
    ), judge AS (
        SELECT id, row_number() OVER (ORDER BY name) - 1 AS number FROM participant
        WHERE digest LIKE %(name)s || '%%' AND kind = %(kind)s
    )
    INSERT INTO play (id, kind, experiment_id, talk_id, judge_id, place, seed, state, finished_at, round_id, reading)
        SELECT gen_random_uuid(), 'judging', talk.experiment_id, talk.id, judge.id,
            CASE %(kind)s WHEN 'person' THEN reader + 1 ELSE 0 END, 1, 'done', now(), judging_round.id, '[]'
        FROM talk JOIN judging_round ON judging_round.experiment_id = talk.experiment_id
            CROSS JOIN generate_series(0, %(readers)s - 1) AS reader
            JOIN judge ON judge.number
                = (talk.position * 37 + reader * (%(judges)s / %(readers)s)) %% %(judges)s;
    INSERT INTO seat (id, play_id, seat, participant_id, state, role, lease_minutes, flags)
        SELECT gen_random_uuid(), play.id, 'judge', judge_id, 'done', 'judge', 120,
            CASE WHEN random() < 0.001 THEN '{"knows_story": true}'::jsonb ELSE '{}' END
        FROM play JOIN experiment ON experiment.id = play.experiment_id
        WHERE experiment.name = %(name)s AND play.kind = 'judging' AND %(kind)s = 'person';
"""

_VERDICTS = """
    INSERT INTO verdict (play_id, participant_id, reading, answer_order, belief, beliefs, method, label_mass)
        SELECT id, judge_id, turn,
            CASE WHEN (turn + place) %% 2 = 0 THEN ARRAY[0, 1] ELSE ARRAY[1, 0] END, ARRAY[p, 1 - p],
            jsonb_build_array(jsonb_build_array(p, 1 - p)),
            CASE %(kind)s WHEN 'person' THEN 'stated' ELSE 'logprobs' END,
            CASE %(kind)s WHEN 'person' THEN NULL ELSE 0.9 END
        FROM (
            SELECT judging.*,
                CASE talk.answers[1] WHEN 0 THEN gold ELSE 1 - gold END AS p
            FROM (
                SELECT play.*, turn, least(0.99, greatest(0.01, round((0.5 + 0.1 * arm.position
                        + 0.3 * (random() + random() - 1) + 0.2 * sin(hashtext(play.judge_id::text))
                        + 0.2 * sin(hashtext(talk.question_id::text)))::numeric, 2))) ::float AS gold
                FROM play JOIN experiment ON experiment.id = play.experiment_id
                    JOIN play AS talk ON talk.id = play.talk_id JOIN arm ON arm.id = talk.arm_id
                    CROSS JOIN generate_series(0, %(orders)s - 1) AS turn
                WHERE experiment.name = %(name)s AND play.kind = 'judging'
            ) AS judging JOIN play AS talk ON talk.id = judging.talk_id
        ) AS believed;
"""

_STATEMENTS = [
    part.strip().encode()
    for block in (_TASKS, _EXPERIMENT, _TALKS, _JUDGINGS, _VERDICTS)
    for part in block.split(";")
    if part.strip()
]
