"""What trials are found by: a summary of each finished talk with its verdicts, and the words of its speeches. Tags and notes of experiments."""

from collections.abc import Sequence

from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# In scripts without spaces between words each character is a word: Thai, Lao, Tibetan, Burmese, Khmer, Tai, Balinese,
# Javanese, Japanese, Chinese, Bopomofo and Yi.
UNSPACED = (
    r"([\u0E00-\u0FFF\u1000-\u109F\u1780-\u17FF\u1950-\u19DF\u1A20-\u1AAF\u1B00-\u1B7F\u3005-\u3007\u3040-\u312F"
    r"\u31A0-\u31FF\u3400-\u4DBF\u4E00-\u9FFF\uA000-\uA4CF\uA980-\uA9DF\uAA80-\uAADF\uF900-\uFAFF\uFF66-\uFF9F"
    r"\U00016FE0-\U00018AFF\U0001B000-\U0001B2FF\U00020000-\U0003FFFF])"
)

SUMMARIES = """
    WITH talk AS (
        SELECT play.id, play.experiment_id, play.outcome, array_position(play.answers, question.gold) AS gold
        FROM play JOIN question ON question.id = play.question_id
        WHERE play.kind = 'talk' AND play.state = 'done'
    ), shown AS (
        SELECT talk.id, move.path, move.content
        FROM talk CROSS JOIN LATERAL jsonb_path_query(talk.outcome, '$.transcript[*][*]') AS read (path)
            JOIN move ON move.play_id = talk.id AND move.path = read.path #>> '{}'
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
    ), judged AS (
        SELECT talk.id, talk.id AS play, gold FROM talk
        UNION ALL SELECT talk.id, judging.id, gold FROM talk JOIN play AS judging ON judging.talk_id = talk.id
    ), readings AS (
        SELECT *, CASE WHEN p > other THEN 1.0 WHEN p < other THEN 0.0 ELSE 0.5 END AS correct
        FROM (
            SELECT judged.id, play, answer_order, belief[gold] AS p,
                CASE cardinality(belief) WHEN 2 THEN belief[3 - gold] ELSE (
                    SELECT max(p) FROM unnest(belief) WITH ORDINALITY AS each (p, place) WHERE place <> gold
                ) END AS other
            FROM judged JOIN verdict ON verdict.play_id = judged.play
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
"""


def upgrade() -> None:
    """Make the columns, the functions, the index and the table, with a row for every finished talk."""
    op.execute(
        """
        ALTER TABLE experiment
            ADD COLUMN tags text[] DEFAULT '{}' NOT NULL,
            ADD COLUMN note text DEFAULT '' NOT NULL,
            ADD CONSTRAINT ck_experiment_tags_are_few CHECK (cardinality(tags) <= 20),
            ADD CONSTRAINT ck_experiment_note_is_short CHECK (length(note) <= 20000)
        """
    )
    op.execute(
        f"""
        CREATE FUNCTION spaced(body text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN regexp_replace(body, '{UNSPACED}', ' \\1 ', 'g')
        """
    )
    # A longer text would not fit into one tsvector, and its row could not be stored. By its cost, the planner reads the index.
    op.execute(
        """
        CREATE FUNCTION speech_words(content jsonb) RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 10000
        RETURN to_tsvector('pg_catalog.simple'::regconfig, spaced(left(content #>> '{said,text}', 100000)))
        """
    )
    op.execute(
        """
        CREATE INDEX ix_move_speech_words ON move USING gin (speech_words(content))
            WHERE content ->> 'kind' = 'speech'
        """
    )
    op.execute(
        """
        CREATE TABLE trial_summary (
            trial_id uuid NOT NULL
                CONSTRAINT pk_trial_summary PRIMARY KEY
                CONSTRAINT fk_trial_summary_trial_id_play REFERENCES play (id) ON DELETE CASCADE,
            experiment_id uuid NOT NULL,
            words integer DEFAULT 0 NOT NULL,
            flags text[] DEFAULT '{}' NOT NULL,
            verdicts integer DEFAULT 0 NOT NULL,
            "right" integer DEFAULT 0 NOT NULL,
            wrong integer DEFAULT 0 NOT NULL,
            p_gold double precision,
            p_wrong double precision,
            judges_apart double precision,
            judges_split boolean DEFAULT false NOT NULL,
            orders_apart double precision,
            orders_split boolean DEFAULT false NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX ix_trial_summary_experiment_id ON trial_summary (experiment_id)")
    op.execute(SUMMARIES)
    op.execute("CREATE INDEX ix_play_position ON play (experiment_id, position) WHERE position IS NOT NULL")


def downgrade() -> None:
    """Drop all of it: the summaries can be made again, the tags and notes cannot."""
    op.execute("DROP INDEX ix_play_position")
    op.execute("DROP TABLE trial_summary")
    op.execute("DROP INDEX ix_move_speech_words")
    op.execute("DROP FUNCTION speech_words(jsonb)")
    op.execute("DROP FUNCTION spaced(text)")
    op.execute("ALTER TABLE experiment DROP COLUMN tags, DROP COLUMN note")
