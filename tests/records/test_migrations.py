"""The tables: made from nothing, taken back to nothing, the same as the models, and closed to rows that cannot be."""

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest
from alembic import command
from sqlalchemy import URL, Connection, create_engine

from app.records.database import Database, alembic_config, migrate
from models import Base
from tests.database import Server
from tests.factories import finished

pytestmark = pytest.mark.outside

OURS = "c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'"
CATALOGUE = {
    "column": f"""
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text,
               pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped AND {OURS}""",
    "constraint": f"""
        SELECT c.relname, o.conname, pg_get_constraintdef(o.oid)
        FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid WHERE {OURS}""",
    "index": f"""
        SELECT c.relname, i.relname, pg_get_indexdef(i.oid)
        FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid WHERE {OURS}""",
    "trigger": f"""
        SELECT c.relname, t.tgname, pg_get_triggerdef(t.oid)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND {OURS}""",
    "sequence": f"SELECT c.relname FROM pg_class c WHERE c.relkind IN ('S', 'v', 'm') AND {OURS}",
    "function": """
        SELECT p.proname, pg_get_functiondef(p.oid) FROM pg_proc p
        WHERE p.prokind = 'f' AND p.pronamespace = 'public'::regnamespace""",
    "type": """
        SELECT t.typname FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE t.typnamespace = 'public'::regnamespace AND (t.typtype IN ('e', 'd') OR c.relkind = 'c')""",
}
"""What the database itself says it holds; constraints are among it that Alembic does not compare."""


@pytest.fixture
def connection(fresh_url: URL) -> Iterator[Connection]:
    """A connection to a migrated database of this test's own."""
    yield from connected(fresh_url)


def connected(url: URL) -> Iterator[Connection]:
    engine = create_engine(url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def catalogue(connection: Connection, *kinds: str) -> dict[str, list[Any]]:
    """What there is, by kind."""
    return {
        kind: sorted((tuple(row) for row in connection.exec_driver_sql(CATALOGUE[kind])), key=repr)
        for kind in kinds or CATALOGUE
    }


def test_the_migrations_lead_down_to_nothing_and_up_to_the_same(connection: Connection) -> None:
    full = catalogue(connection)
    assert len(full["column"]) > 100

    migrate(connection, "base")
    assert catalogue(connection) == {kind: [] for kind in CATALOGUE}

    migrate(connection)
    assert catalogue(connection) == full


def test_upgrading_what_is_current_changes_nothing(connection: Connection) -> None:
    full = catalogue(connection)
    migrate(connection)
    assert catalogue(connection) == full


def test_alembic_finds_no_difference_between_the_migrations_and_the_models(connection: Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.check(config)  # raises where it finds one


def test_the_migrations_make_every_column_constraint_and_index_of_the_models(
    connection: Connection, postgres: Server
) -> None:
    with postgres.fresh() as url:
        for other in connected(url):
            Base.metadata.drop_all(other)
            Base.metadata.create_all(other)
            kinds = ("column", "constraint", "index")
            assert catalogue(connection, *kinds) == catalogue(other, *kinds)


# ── rows that cannot be ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def played(postgres: Server) -> Iterator[str]:
    """Address of a database with a finished experiment in it, and one model call."""

    async def play(url: URL) -> None:
        database = Database(url, embedded=True, connections=4)
        await finished(database)
        await database.close()

    with postgres.fresh() as url:
        asyncio.run(play(url))
        address = url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(address) as connection:
            connection.execute(
                """
                INSERT INTO endpoint (id, name, base_url) VALUES (gen_random_uuid(), 'big', 'http://127.0.0.1:1/v1');
                INSERT INTO model_call (id, play_id, path, purpose, endpoint, model, segments)
                SELECT gen_random_uuid(), id, 'r1/judge', 'answer', 'big', 'scripted', '[]' FROM play LIMIT 1;
                INSERT INTO call_attempt (call_id, number, request_id) SELECT id, 1, 'request-1' FROM model_call;
                INSERT INTO seat (id, play_id, seat, role, lease_minutes)
                SELECT gen_random_uuid(), id, 'debater_a', 'debater', 60 FROM play WHERE kind = 'talk' LIMIT 1;
                INSERT INTO task_set (id, name) VALUES (gen_random_uuid(), 'another');
                """
            )
        yield address


def duplicate(table: str, where: str = "true", **changes: str) -> str:
    """Insert a row like one that is there, with an id of its own and some columns changed (to SQL expressions)."""
    columns = Base.metadata.tables[table].columns
    names = [column.name for column in columns if not (column.identity or column.computed)]
    changes = {"id": "gen_random_uuid()"} | changes
    values = ", ".join(changes.get(name, name) for name in names)
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} WHERE {where} LIMIT 1"


class Bad(NamedTuple):
    """A change that must be refused, and the constraint that refuses it."""

    statement: str
    constraint: str


ONE = "WHERE id = (SELECT id FROM {0} LIMIT 1)"


def to(table: str, change: str) -> str:
    """Change one row of a table."""
    return f"UPDATE {table} SET {change} {ONE.format(table)}"


TALK, JUDGING = "kind = 'talk'", "kind = 'judging'"


def to_play(kind: str, change: str) -> str:
    """Change one play of a kind."""
    return f"UPDATE play SET {change} WHERE id = (SELECT id FROM play WHERE {kind} LIMIT 1)"


REFUSED = {
    # texts, task sets, passages and questions
    "a text under a digest that is none": Bad(
        "INSERT INTO text VALUES ('abc', 'x')", "ck_text_digest_is_sha256"
    ),
    "a task set without a name": Bad(to("task_set", "name = ''"), "ck_task_set_named"),
    "two task sets of one name": Bad(duplicate("task_set"), "uq_task_set_name"),
    "a passage without a key": Bad(to("passage", "key = ''"), "ck_passage_keyed"),
    "two passages of one key": Bad(duplicate("passage"), "uq_passage_task_set_id_key"),
    "a passage without its text": Bad(
        to("passage", "text_digest = sha256('')"), "fk_passage_text_digest_text"
    ),
    "a passage's text gone": Bad(
        "DELETE FROM text WHERE digest IN (SELECT text_digest FROM passage)", "fk_passage_text_digest_text"
    ),
    "gold below the answers": Bad(to("question", "gold = -1"), "ck_question_gold_is_an_answer"),
    "gold beyond the answers": Bad(
        to("question", "gold = 2, distractor = 0"), "ck_question_gold_is_an_answer"
    ),
    "gold as its own distractor": Bad(
        to("question", "distractor = gold"), "ck_question_distractor_is_another_answer"
    ),
    "a distractor beyond the answers": Bad(
        to("question", "distractor = 2"), "ck_question_distractor_is_another_answer"
    ),
    "a question without words": Bad(to("question", "text = ''"), "ck_question_worded"),
    "a question without a key": Bad(to("question", "key = ''"), "ck_question_worded"),
    "a single answer": Bad(
        to("question", "answers = '{yes}', gold = 0, distractor = NULL"), "ck_question_answered"
    ),
    "no answers": Bad(to("question", "answers = '{}', gold = 0, distractor = NULL"), "ck_question_answered"),
    "an empty answer": Bad(to("question", "answers = ARRAY['yes', '']"), "ck_question_answered"),
    "two questions of one key": Bad(duplicate("question"), "uq_question_task_set_id_key"),
    "a question on another set's passage": Bad(
        to("question", "task_set_id = (SELECT id FROM task_set WHERE name = 'another')"),
        "fk_question_passage_id_task_set_id_passage",
    ),
    "a question in play gone": Bad("DELETE FROM question", "fk_play_question_id_question"),
    # endpoints and participants
    "an endpoint that is no web address": Bad(
        to("endpoint", "base_url = 'ftp://x'"), "ck_endpoint_base_url_is_http"
    ),
    "a key in the place of its variable": Bad(
        to("endpoint", "api_key_env = 'sk-live-123'"), "ck_endpoint_key_is_a_variable_name"
    ),
    "a variable with a line break": Bad(
        to("endpoint", "api_key_env = E'KEY\\n'"), "ck_endpoint_key_is_a_variable_name"
    ),
    "a variable without a name": Bad(
        to("endpoint", "api_key_env = ''"), "ck_endpoint_key_is_a_variable_name"
    ),
    "an endpoint twice": Bad(duplicate("endpoint"), "uq_endpoint_name_base_url_api_key_env_more"),
    "an endpoint with more that is no object": Bad(
        to("endpoint", "more = '[]'"), "ck_endpoint_more_is_an_object"
    ),
    "a participant of a kind unknown": Bad(
        to("participant", "kind = 'oracle'"), "ck_participant_kind_is_known"
    ),
    "a model without an endpoint": Bad(
        to("participant", "kind = 'model'"), "ck_participant_models_have_endpoints"
    ),
    "a built-in with an endpoint": Bad(
        to("participant", "endpoint_id = (SELECT id FROM endpoint)"), "ck_participant_models_have_endpoints"
    ),
    "a participant twice": Bad(duplicate("participant"), "uq_participant_digest"),
    "a participant in play gone": Bad(
        "DELETE FROM participant WHERE name = 'advocate'", "fk_arm_seat_participant_id_participant"
    ),
    # experiments, arms, trials, rounds and judgements
    "an experiment without a name": Bad(to("experiment", "name = ''"), "ck_experiment_named"),
    "two experiments of one name": Bad(duplicate("experiment"), "uq_experiment_name"),
    "the task set of an experiment gone": Bad(
        "DELETE FROM task_set WHERE name <> 'another'", "fk_experiment_task_set_id_task_set"
    ),
    "two arms of one name": Bad(duplicate("arm", position="99"), "uq_arm_experiment_id_name"),
    "two arms in one place": Bad(duplicate("arm", name="'x'::text"), "uq_arm_experiment_id_position"),
    "a seat held twice": Bad("INSERT INTO arm_seat SELECT * FROM arm_seat LIMIT 1", "pk_arm_seat"),
    "a play of a kind unknown": Bad(
        "UPDATE play SET kind = 'game' WHERE id = (SELECT id FROM play ORDER BY kind LIMIT 1)",
        "ck_play_judgings_have_their_columns",
    ),
    "a trial twice": Bad(duplicate("play", TALK), "uq_play_talk"),
    "a trial of another experiment's arm": Bad(
        to_play(TALK, "experiment_id = gen_random_uuid()"), "fk_play_arm_id_experiment_id_arm"
    ),
    "a trial without a question": Bad(
        to_play(TALK, "question_id = NULL"), "ck_play_talks_have_their_columns"
    ),
    "a trial in a round": Bad(
        to_play(TALK, "round_id = (SELECT id FROM judging_round LIMIT 1)"),
        "ck_play_judgings_have_their_columns",
    ),
    "a trial over one answer": Bad(to_play(TALK, "answers = '{0}'"), "ck_play_answers_are_two_or_more"),
    "a trial in a state unknown": Bad(
        to_play(TALK, "state = 'lost', outcome = NULL"), "ck_play_state_is_known"
    ),
    "a trial in a state of judgements": Bad(
        to_play(TALK, "state = 'returned', outcome = NULL"), "ck_play_state_is_known"
    ),
    "a trial done without an outcome": Bad(to_play(TALK, "outcome = NULL"), "ck_play_outcome_when_done"),
    "an outcome of a trial that is not done": Bad(
        to_play(TALK, "state = 'queued'"), "ck_play_outcome_when_done"
    ),
    "a trial failed for no reason": Bad(
        to_play(TALK, "state = 'failed', outcome = NULL"), "ck_play_failures_say_why"
    ),
    "a reason without a failure": Bad(to_play(TALK, "error = 'because'"), "ck_play_failures_say_why"),
    "two rounds of one name": Bad(
        duplicate("judging_round", position="99"), "uq_judging_round_experiment_id_name"
    ),
    "two rounds in one place": Bad(
        duplicate("judging_round", name="'x'::text"), "uq_judging_round_experiment_id_position"
    ),
    "a judgement twice": Bad(duplicate("play", JUDGING), "uq_play_round_id_talk_id_judge_id"),
    "a judgement of a judgement": Bad(
        to_play(JUDGING, f"talk_id = (SELECT id FROM play WHERE {JUDGING} LIMIT 1)"),
        "fk_play_talk_id_talk_kind_play",
    ),
    "a judgement without a trial": Bad(
        to_play(JUDGING, "talk_id = NULL"), "ck_play_judgings_have_their_columns"
    ),
    "a judgement with an arm": Bad(
        to_play(JUDGING, "arm_id = (SELECT id FROM arm LIMIT 1)"), "ck_play_talks_have_their_columns"
    ),
    "a judgement in another experiment's round": Bad(
        to_play(JUDGING, "experiment_id = gen_random_uuid()"), "fk_play_round_id_experiment_id_judging_round"
    ),
    "a judgement in a state unknown": Bad(to_play(JUDGING, "state = 'lost'"), "ck_play_state_is_known"),
    "a judgement failed for no reason": Bad(to_play(JUDGING, "state = 'failed'"), "ck_play_failures_say_why"),
    "a judgement done by no judge": Bad(
        to_play(JUDGING, "judge_id = NULL"), "ck_play_open_judgings_have_no_judge"
    ),
    "an open judgement of a judge": Bad(
        to_play(JUDGING, "state = 'open'"), "ck_play_open_judgings_have_no_judge"
    ),
    "a trial for a person of no number": Bad(to_play(TALK, "place = -1"), "ck_play_place_is_not_negative"),
    # seats for people
    "a seat in a state unknown": Bad(
        to("seat", "state = 'lost', participant_id = (SELECT id FROM participant LIMIT 1)"),
        "ck_seat_state_is_known",
    ),
    "a seat for a role unknown": Bad(to("seat", "role = 'admin'"), "ck_seat_role_is_known"),
    "a seat without a holder that is taken": Bad(
        to("seat", "state = 'waiting'"), "ck_seat_open_has_no_holder"
    ),
    "a lease of a seat without a holder": Bad(
        to("seat", "leased_until = now()"), "ck_seat_leases_end_with_the_work"
    ),
    "a lease of no time": Bad(to("seat", "lease_minutes = 0"), "ck_seat_leases_last"),
    "no time to judge": Bad(to("seat", "seconds = 0"), "ck_seat_time_is_positive"),
    "a seat kept for two": Bad(duplicate("seat"), "uq_seat_play_id_seat"),
    "somebody on two sides of a trial": Bad(
        "WITH one AS (UPDATE seat SET state = 'waiting', participant_id = (SELECT id FROM participant LIMIT 1) "
        "RETURNING *) INSERT INTO seat (id, play_id, seat, role, lease_minutes, state, participant_id) "
        "SELECT gen_random_uuid(), play_id, 'debater_b', 'debater', 60, state, participant_id FROM one",
        "uq_seat_play_id_participant_id",
    ),
    # moves
    "a move twice": Bad(duplicate("move"), "uq_move_play_id_path"),
    "a move of no play": Bad(to("move", "play_id = gen_random_uuid()"), "fk_move_play_id_play"),
    "a move without a path": Bad(to("move", "path = ''"), "ck_move_has_path"),
    "a move of no participant": Bad(
        to("move", "participant_id = gen_random_uuid()"), "fk_move_participant_id_participant"
    ),
    # verdicts
    **{
        f"a belief of {belief}": Bad(
            to("verdict", f"belief = '{belief}'"), "ck_verdict_belief_is_a_distribution"
        )
        for belief in ("{0.5,0.6}", "{-0.5,1.5}", "{NaN,0.5}")
    },
    "a belief in one answer": Bad(
        to("verdict", "belief = '{1}', answer_order = '{0}'"), "ck_verdict_belief_is_a_distribution"
    ),
    "a belief over other answers": Bad(
        to("verdict", "belief = '{0.5,0.25,0.25}'"), "ck_verdict_belief_over_the_answers"
    ),
    **{
        f"a label mass of {mass}": Bad(
            to("verdict", f"label_mass = '{mass}'"), "ck_verdict_label_mass_is_a_probability"
        )
        for mass in ("-0.1", "1.1", "NaN")
    },
    "a verdict by a method unknown": Bad(to("verdict", "method = 'guessed'"), "ck_verdict_method_is_known"),
    "figures said of other answers": Bad(to("verdict", "said = '{100}'"), "ck_verdict_said_of_the_answers"),
    "bounds of other answers": Bad(to("verdict", "bounds = '[[0, 1]]'"), "ck_verdict_bounds_of_the_answers"),
    "a flag unknown": Bad(to("verdict", "flags = '{odd}'"), "ck_verdict_flags_are_known"),
    "two verdicts of one reading": Bad(duplicate("verdict"), "uq_verdict_play_id_reading"),
    "a verdict of no play": Bad(to("verdict", "play_id = gen_random_uuid()"), "fk_verdict_play_id_play"),
    # model calls
    "a call of no play": Bad(to("model_call", "play_id = gen_random_uuid()"), "fk_model_call_play_id_play"),
    "two attempts of one number": Bad(
        duplicate("call_attempt", request_id="'request-2'::text"), "uq_call_attempt_call_id_number"
    ),
    "two attempts under one request id": Bad(
        duplicate("call_attempt", number="2"), "uq_call_attempt_request_id"
    ),
    "an attempt that ended in a way unknown": Bad(
        to("call_attempt", "status = 'fine'"), "ck_call_attempt_status_is_known"
    ),
    "an attempt at no call": Bad(
        to("call_attempt", "call_id = gen_random_uuid()"), "fk_call_attempt_call_id_model_call"
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_database_refuses(case: str, played: str) -> None:
    bad = REFUSED[case]
    with (
        psycopg.connect(played) as connection,
        pytest.raises(psycopg.IntegrityError) as refusal,
    ):
        connection.execute(bad.statement.encode())
    assert refusal.value.diag.constraint_name == bad.constraint


def test_an_experiment_goes_with_all_that_was_played_and_leaves_the_questions(played: str) -> None:
    with psycopg.connect(played) as connection:
        kept = count(connection, "question", "passage", "participant", "text")
        connection.execute("DELETE FROM experiment")
        gone = ("arm", "arm_seat", "play", "seat", "judging_round", "move", "verdict", "model_call")
        assert count(connection, *gone, "call_attempt") == dict.fromkeys((*gone, "call_attempt"), 0)
        assert count(connection, "question", "passage", "participant", "text") == kept
        connection.rollback()


def count(connection: psycopg.Connection[Any], *tables: str) -> dict[str, int]:
    """Rows by table."""
    rows = {table: connection.execute(f"SELECT count(*) FROM {table}".encode()) for table in tables}
    return {table: row[0] for table, cursor in rows.items() if (row := cursor.fetchone())}
