"""One table for plays (trials and judgements), and one for the seats that people hold in them.

Ids of trials and judgements stay. A judge's seat takes the id of its judgement, so that addresses which people keep lead
to their seat. Tables that point to plays are rewritten once each, with no row taken by itself.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0009"
down_revision = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

PLAY = """
CREATE TABLE play (
    id uuid NOT NULL,
    kind text NOT NULL,
    experiment_id uuid NOT NULL,
    judge_id uuid,
    place integer DEFAULT '0' NOT NULL,
    seed bigint NOT NULL,
    state text DEFAULT 'queued' NOT NULL,
    error text,
    outcome jsonb,
    finished_at timestamp with time zone,
    arm_id uuid,
    question_id uuid,
    answers integer[],
    argues jsonb,
    assignment integer,
    replicate integer,
    position integer,
    round_id uuid,
    talk_id uuid,
    talk_kind text GENERATED ALWAYS AS ('talk'::text) STORED,
    reading jsonb,
    CONSTRAINT ck_play_kind_is_known CHECK (kind IN ('talk', 'judging')),
    CONSTRAINT ck_play_talks_have_their_columns CHECK (
        num_nonnulls(arm_id, question_id, answers, argues, assignment, replicate, "position")
        = CASE kind WHEN 'talk' THEN 7 ELSE 0 END),
    CONSTRAINT ck_play_judgings_have_their_columns CHECK (
        num_nonnulls(round_id, talk_id, reading) = CASE kind WHEN 'judging' THEN 3 ELSE 0 END),
    CONSTRAINT ck_play_state_is_known CHECK (
        state IN ('queued', 'waiting', 'done', 'failed') OR kind = 'judging' AND state IN ('open', 'returned')),
    CONSTRAINT ck_play_failures_say_why CHECK ((state = 'failed') = (error IS NOT NULL)),
    CONSTRAINT ck_play_outcome_when_done CHECK (kind = 'judging' OR (state = 'done') = (outcome IS NOT NULL)),
    CONSTRAINT ck_play_open_judgings_have_no_judge CHECK (kind = 'talk' OR (state = 'open') = (judge_id IS NULL)),
    CONSTRAINT ck_play_answers_are_two_or_more CHECK (cardinality(answers) >= 2),
    CONSTRAINT ck_play_place_is_not_negative CHECK (place >= 0)
)
"""
TALKS = """
INSERT INTO play (id, kind, experiment_id, judge_id, place, seed, state, error, outcome, finished_at,
    arm_id, question_id, answers, argues, assignment, replicate, position)
SELECT id, 'talk', experiment_id, judge_id, place, seed, state, error, outcome, finished_at,
    arm_id, question_id, answers, argues, assignment, replicate, position FROM trial
"""
JUDGINGS = """
INSERT INTO play (id, kind, experiment_id, judge_id, place, seed, state, error, finished_at, round_id, talk_id, reading)
SELECT judgement.id, 'judging', judging_round.experiment_id, participant_id, place, seed, state, error, finished_at,
    round_id, trial_id, reading FROM judgement JOIN judging_round ON judging_round.id = round_id
"""
PLAY_IS_WHOLE = """
ALTER TABLE play
    ADD CONSTRAINT pk_play PRIMARY KEY (id),
    ADD CONSTRAINT uq_play_id_kind UNIQUE (id, kind),
    ADD CONSTRAINT uq_play_round_id_talk_id_judge_id UNIQUE (round_id, talk_id, judge_id);
ALTER TABLE judging_round ADD CONSTRAINT uq_judging_round_id_experiment_id UNIQUE (id, experiment_id);
ALTER TABLE play
    ADD CONSTRAINT fk_play_judge_id_participant FOREIGN KEY (judge_id) REFERENCES participant (id),
    ADD CONSTRAINT fk_play_question_id_question FOREIGN KEY (question_id) REFERENCES question (id),
    ADD CONSTRAINT fk_play_arm_id_experiment_id_arm FOREIGN KEY (arm_id, experiment_id)
        REFERENCES arm (id, experiment_id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_play_round_id_experiment_id_judging_round FOREIGN KEY (round_id, experiment_id)
        REFERENCES judging_round (id, experiment_id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_play_talk_id_talk_kind_play FOREIGN KEY (talk_id, talk_kind)
        REFERENCES play (id, kind) ON DELETE CASCADE;
CREATE UNIQUE INDEX uq_play_talk ON play (arm_id, question_id, assignment, replicate, judge_id, place)
    NULLS NOT DISTINCT WHERE arm_id IS NOT NULL;
CREATE UNIQUE INDEX uq_play_place ON play (round_id, talk_id, place)
    WHERE place > 0 AND state <> 'returned' AND round_id IS NOT NULL;
CREATE INDEX ix_play_experiment_id_kind ON play (experiment_id, kind);
CREATE INDEX ix_play_question_id ON play (question_id) WHERE question_id IS NOT NULL;
CREATE INDEX ix_play_talk_id ON play (talk_id) WHERE talk_id IS NOT NULL;
CREATE INDEX ix_play_unfinished ON play (experiment_id, state) WHERE state IN ('queued', 'waiting', 'open')
"""
SEAT = """
CREATE TABLE seat (
    id uuid NOT NULL,
    play_id uuid NOT NULL,
    seat text NOT NULL,
    participant_id uuid,
    state text DEFAULT 'open' NOT NULL,
    role text NOT NULL,
    once boolean DEFAULT false NOT NULL,
    lease_minutes integer NOT NULL,
    seconds integer,
    leased_until timestamp with time zone,
    flags jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT pk_seat PRIMARY KEY (id),
    CONSTRAINT uq_seat_play_id_participant_id UNIQUE (play_id, participant_id),
    CONSTRAINT fk_seat_play_id_play FOREIGN KEY (play_id) REFERENCES play (id) ON DELETE CASCADE,
    CONSTRAINT fk_seat_participant_id_participant FOREIGN KEY (participant_id) REFERENCES participant (id),
    CONSTRAINT ck_seat_state_is_known CHECK (state IN ('open', 'waiting', 'done', 'returned')),
    CONSTRAINT ck_seat_role_is_known CHECK (role IN ('judge', 'debater')),
    CONSTRAINT ck_seat_open_has_no_holder CHECK ((state = 'open') = (participant_id IS NULL)),
    CONSTRAINT ck_seat_leases_end_with_the_work CHECK (leased_until IS NULL OR state = 'waiting'),
    CONSTRAINT ck_seat_leases_last CHECK (lease_minutes > 0),
    CONSTRAINT ck_seat_time_is_positive CHECK (seconds > 0)
);
CREATE INDEX ix_seat_participant_id ON seat (participant_id);
CREATE UNIQUE INDEX uq_seat_play_id_seat ON seat (play_id, seat) WHERE state <> 'returned';
CREATE INDEX ix_seat_open ON seat (play_id) WHERE state = 'open';
CREATE INDEX ix_seat_leased_until ON seat (leased_until) WHERE leased_until IS NOT NULL
"""
SEATS_OF_TALKS = """
INSERT INTO seat (id, play_id, seat, participant_id, state, role, once, lease_minutes, leased_until, flags)
SELECT id, trial_id, seat, participant_id, state, CASE WHEN reads_passage THEN 'debater' ELSE 'judge' END,
    once, lease_minutes, leased_until, flags FROM seat_place
"""
# Every protocol of the versions before calls this seat so. A judge whose judgement failed, or is queued so that a worker
# makes the verdict, has the seat still.
SEATS_OF_JUDGES = """
INSERT INTO seat (id, play_id, seat, participant_id, state, role, once, lease_minutes, seconds, leased_until, flags)
SELECT judgement.id, judgement.id, 'judge', participant_id,
    CASE WHEN state IN ('open', 'done', 'returned') THEN state ELSE 'waiting' END, 'judge',
    coalesce((people->>'once_per_passage')::boolean, false), coalesce((people->>'lease_minutes')::integer, 60),
    (people->>'seconds')::integer, leased_until, flags
FROM judgement JOIN (SELECT id, spec->'people' AS people FROM judging_round) AS round ON round.id = round_id
WHERE place > 0
"""
MOVES = """
ALTER TABLE move
    DROP CONSTRAINT fk_move_trial_id_trial, DROP CONSTRAINT fk_move_judgement_id_judgement,
    DROP CONSTRAINT uq_move_trial_id_path, DROP CONSTRAINT uq_move_judgement_id_path, DROP CONSTRAINT ck_move_one_owner;
ALTER TABLE move ALTER trial_id TYPE uuid USING coalesce(trial_id, judgement_id);
ALTER TABLE move RENAME trial_id TO play_id;
ALTER TABLE move
    DROP judgement_id, ALTER play_id SET NOT NULL,
    ADD CONSTRAINT uq_move_play_id_path UNIQUE (play_id, path),
    ADD CONSTRAINT fk_move_play_id_play FOREIGN KEY (play_id) REFERENCES play (id) ON DELETE CASCADE
"""
VERDICTS = """
ALTER TABLE verdict
    DROP CONSTRAINT fk_verdict_trial_id_trial, DROP CONSTRAINT fk_verdict_judgement_id_trial_id_judgement,
    DROP CONSTRAINT uq_verdict_judgement_id_reading;
DROP INDEX ix_verdict_trial_id;
DROP INDEX uq_verdict_trial_id_reading;
ALTER TABLE verdict ALTER judgement_id TYPE uuid USING coalesce(judgement_id, trial_id);
ALTER TABLE verdict RENAME judgement_id TO play_id;
ALTER TABLE verdict
    DROP trial_id, ALTER play_id SET NOT NULL,
    ADD CONSTRAINT uq_verdict_play_id_reading UNIQUE (play_id, reading),
    ADD CONSTRAINT fk_verdict_play_id_play FOREIGN KEY (play_id) REFERENCES play (id) ON DELETE CASCADE
"""
CALLS = """
ALTER TABLE model_call
    DROP CONSTRAINT fk_model_call_trial_id_trial, DROP CONSTRAINT fk_model_call_judgement_id_judgement,
    DROP CONSTRAINT ck_model_call_at_most_one_owner;
DROP INDEX ix_model_call_trial_id;
DROP INDEX ix_model_call_judgement_id;
ALTER TABLE model_call ALTER trial_id TYPE uuid USING coalesce(trial_id, judgement_id);
ALTER TABLE model_call RENAME trial_id TO play_id;
ALTER TABLE model_call
    DROP judgement_id,
    ADD CONSTRAINT fk_model_call_play_id_play FOREIGN KEY (play_id) REFERENCES play (id) ON DELETE CASCADE;
CREATE INDEX ix_model_call_play_id ON model_call (play_id)
"""
DRAFTS = """
ALTER TABLE draft
    DROP CONSTRAINT fk_draft_seat_place_id_seat_place, DROP CONSTRAINT fk_draft_judgement_id_judgement,
    DROP CONSTRAINT uq_draft_seat_place_id_path, DROP CONSTRAINT uq_draft_judgement_id_path,
    DROP CONSTRAINT ck_draft_one_owner;
ALTER TABLE draft ALTER seat_place_id TYPE uuid USING coalesce(seat_place_id, judgement_id);
ALTER TABLE draft RENAME seat_place_id TO seat_id;
ALTER TABLE draft
    DROP judgement_id, ALTER seat_id SET NOT NULL,
    ADD CONSTRAINT uq_draft_seat_id_path UNIQUE (seat_id, path),
    ADD CONSTRAINT fk_draft_seat_id_seat FOREIGN KEY (seat_id) REFERENCES seat (id) ON DELETE CASCADE
"""
# A judge's reason is the text of the answer now, and each mark is a separate answer.
ENTERED = """
UPDATE draft SET content = (content - 'reason') || jsonb_build_object('text', content->'reason')
WHERE content ? 'reason';
INSERT INTO draft (seat_id, path, account_id, content, updated_at)
SELECT seat_id, draft.path || point.path || '/' || split_part(mark, '-', 1), account_id,
    jsonb_build_object('at', content->'at', 'pick', CASE split_part(mark, '-', 2) WHEN 'accept' THEN '0' ELSE '1' END),
    updated_at
FROM draft JOIN seat ON seat.id = seat_id JOIN play ON play.id = play_id JOIN play AS talk ON talk.id = play.talk_id
    CROSS JOIN LATERAL jsonb_array_elements_text(content->'marks') AS mark
    JOIN LATERAL jsonb_each_text(talk.outcome->'points') AS point (path, points)
        ON split_part(mark, '-', 1)::int <= points::int
WHERE content ? 'marks' ON CONFLICT DO NOTHING;
UPDATE draft SET content = '{}' WHERE content ? 'marks'
"""
# Jobs in hand too: where their worker died, they are tried again under the new name.
JOBS = """
UPDATE procrastinate_jobs SET task_name = 'advance_play', lock = 'play:' || (args->>'id'),
    queueing_lock = 'play:' || substr(queueing_lock, strpos(queueing_lock, ':') + 1)
WHERE task_name IN ('advance_trial', 'advance_judgement')
"""


def upgrade() -> None:
    op.execute("SET LOCAL maintenance_work_mem = '256MB'")
    for statements in (PLAY, TALKS, JUDGINGS, PLAY_IS_WHOLE, SEAT, SEATS_OF_TALKS, SEATS_OF_JUDGES):
        op.execute(statements)
    for statements in (MOVES, VERDICTS, CALLS, DRAFTS, ENTERED, JOBS):
        op.execute(statements)
    op.execute("DROP TABLE seat_place, judgement, trial")
    op.execute("ANALYZE play, seat, move, verdict, model_call, draft")


# ── back ────────────────────────────────────────────────────────────────────────────────────────────────────────

TRIAL = """
CREATE TABLE trial (
    id uuid NOT NULL,
    experiment_id uuid NOT NULL,
    arm_id uuid NOT NULL,
    question_id uuid NOT NULL,
    judge_id uuid,
    answers integer[] NOT NULL,
    argues jsonb DEFAULT '{}'::jsonb NOT NULL,
    assignment integer NOT NULL,
    replicate integer NOT NULL,
    seed bigint NOT NULL,
    position integer NOT NULL,
    state text DEFAULT 'queued' NOT NULL,
    error text,
    outcome jsonb,
    finished_at timestamp with time zone,
    place integer DEFAULT '0' NOT NULL,
    CONSTRAINT pk_trial PRIMARY KEY (id),
    CONSTRAINT ck_trial_answers_are_two_or_more CHECK (cardinality(answers) >= 2),
    CONSTRAINT ck_trial_failures_say_why CHECK ((state = 'failed') = (error IS NOT NULL)),
    CONSTRAINT ck_trial_outcome_when_done CHECK ((state = 'done') = (outcome IS NOT NULL)),
    CONSTRAINT ck_trial_place_is_not_negative CHECK (place >= 0),
    CONSTRAINT ck_trial_state_is_known CHECK (state IN ('queued', 'waiting', 'done', 'failed')),
    CONSTRAINT fk_trial_arm_id_experiment_id_arm FOREIGN KEY (arm_id, experiment_id)
        REFERENCES arm (id, experiment_id) ON DELETE CASCADE,
    CONSTRAINT fk_trial_judge_id_participant FOREIGN KEY (judge_id) REFERENCES participant (id),
    CONSTRAINT fk_trial_question_id_question FOREIGN KEY (question_id) REFERENCES question (id),
    CONSTRAINT uq_trial_arm_id_question_id_assignment_replicate_judge_id_place
        UNIQUE NULLS NOT DISTINCT (arm_id, question_id, assignment, replicate, judge_id, place)
);
CREATE INDEX ix_trial_experiment_id_state ON trial (experiment_id, state);
CREATE INDEX ix_trial_question_id ON trial (question_id);
INSERT INTO trial (id, experiment_id, judge_id, place, seed, state, error, outcome, finished_at,
    arm_id, question_id, answers, argues, assignment, replicate, position)
SELECT id, experiment_id, judge_id, place, seed, state, error, outcome, finished_at,
    arm_id, question_id, answers, argues, assignment, replicate, position FROM play WHERE kind = 'talk'
"""
JUDGEMENT = """
CREATE TABLE judgement (
    id uuid NOT NULL,
    round_id uuid NOT NULL,
    trial_id uuid NOT NULL,
    participant_id uuid,
    reading jsonb NOT NULL,
    seed bigint NOT NULL,
    state text DEFAULT 'queued' NOT NULL,
    error text,
    finished_at timestamp with time zone,
    place integer DEFAULT '0' NOT NULL,
    leased_until timestamp with time zone,
    flags jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT pk_judgement PRIMARY KEY (id),
    CONSTRAINT ck_judgement_failures_say_why CHECK ((state = 'failed') = (error IS NOT NULL)),
    CONSTRAINT ck_judgement_leases_end_with_the_work CHECK (leased_until IS NULL OR state = 'waiting'),
    CONSTRAINT ck_judgement_open_is_nobodys CHECK ((state = 'open') = (participant_id IS NULL)),
    CONSTRAINT ck_judgement_place_is_not_negative CHECK (place >= 0),
    CONSTRAINT ck_judgement_state_is_known
        CHECK (state IN ('queued', 'waiting', 'done', 'failed', 'open', 'returned')),
    CONSTRAINT fk_judgement_participant_id_participant FOREIGN KEY (participant_id) REFERENCES participant (id),
    CONSTRAINT fk_judgement_round_id_judging_round FOREIGN KEY (round_id)
        REFERENCES judging_round (id) ON DELETE CASCADE,
    CONSTRAINT fk_judgement_trial_id_trial FOREIGN KEY (trial_id) REFERENCES trial (id) ON DELETE CASCADE,
    CONSTRAINT uq_judgement_id_trial_id UNIQUE (id, trial_id),
    CONSTRAINT uq_judgement_round_id_trial_id_participant_id UNIQUE (round_id, trial_id, participant_id)
);
CREATE INDEX ix_judgement_leased_until ON judgement (leased_until) WHERE leased_until IS NOT NULL;
CREATE INDEX ix_judgement_open ON judgement (trial_id) WHERE state = 'open';
CREATE INDEX ix_judgement_participant_id ON judgement (participant_id);
CREATE INDEX ix_judgement_trial_id_state ON judgement (trial_id, state);
CREATE UNIQUE INDEX uq_judgement_place ON judgement (round_id, trial_id, place)
    WHERE place > 0 AND state <> 'returned';
INSERT INTO judgement (id, round_id, trial_id, participant_id, reading, seed, state, error, finished_at, place,
    leased_until, flags)
SELECT play.id, round_id, talk_id, judge_id, reading, seed, play.state, error, finished_at, place, leased_until,
    coalesce(flags, '{}') FROM play LEFT JOIN seat ON seat.play_id = play.id WHERE kind = 'judging'
"""
SEAT_PLACE = """
CREATE TABLE seat_place (
    id uuid NOT NULL,
    trial_id uuid NOT NULL,
    seat text NOT NULL,
    participant_id uuid,
    state text DEFAULT 'open' NOT NULL,
    reads_passage boolean NOT NULL,
    once boolean DEFAULT false NOT NULL,
    lease_minutes integer NOT NULL,
    leased_until timestamp with time zone,
    flags jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT pk_seat_place PRIMARY KEY (id),
    CONSTRAINT ck_seat_place_leases_end_with_the_work CHECK (leased_until IS NULL OR state = 'waiting'),
    CONSTRAINT ck_seat_place_leases_last CHECK (lease_minutes > 0),
    CONSTRAINT ck_seat_place_open_is_nobodys CHECK ((state = 'open') = (participant_id IS NULL)),
    CONSTRAINT ck_seat_place_state_is_known CHECK (state IN ('open', 'waiting', 'done', 'returned')),
    CONSTRAINT fk_seat_place_participant_id_participant FOREIGN KEY (participant_id) REFERENCES participant (id),
    CONSTRAINT fk_seat_place_trial_id_trial FOREIGN KEY (trial_id) REFERENCES trial (id) ON DELETE CASCADE,
    CONSTRAINT uq_seat_place_trial_id_participant_id UNIQUE (trial_id, participant_id)
);
CREATE INDEX ix_seat_place_leased_until ON seat_place (leased_until) WHERE leased_until IS NOT NULL;
CREATE INDEX ix_seat_place_open ON seat_place (trial_id) WHERE state = 'open';
CREATE INDEX ix_seat_place_participant_id ON seat_place (participant_id);
CREATE UNIQUE INDEX uq_seat_place_seat ON seat_place (trial_id, seat) WHERE state <> 'returned';
INSERT INTO seat_place (id, trial_id, seat, participant_id, state, reads_passage, once, lease_minutes, leased_until,
    flags)
SELECT seat.id, play_id, seat, participant_id, seat.state, role = 'debater', once, lease_minutes, leased_until, flags
FROM seat JOIN play ON play.id = play_id WHERE kind = 'talk'
"""
DRAFTS_BACK = """
ALTER TABLE draft DROP CONSTRAINT fk_draft_seat_id_seat, DROP CONSTRAINT uq_draft_seat_id_path,
    ADD judgement_id uuid, ALTER seat_id DROP NOT NULL;
UPDATE draft SET seat_id = NULL, judgement_id = play.id, content = CASE WHEN content ? 'text'
    THEN (content - 'text') || jsonb_build_object('reason', content->'text') ELSE content END
    FROM seat JOIN play ON play.id = play_id WHERE seat.id = seat_id AND kind = 'judging';
ALTER TABLE draft RENAME seat_id TO seat_place_id;
ALTER TABLE draft
    ADD CONSTRAINT ck_draft_one_owner CHECK (num_nonnulls(seat_place_id, judgement_id) = 1),
    ADD CONSTRAINT uq_draft_seat_place_id_path UNIQUE (seat_place_id, path),
    ADD CONSTRAINT uq_draft_judgement_id_path UNIQUE (judgement_id, path),
    ADD CONSTRAINT fk_draft_seat_place_id_seat_place FOREIGN KEY (seat_place_id)
        REFERENCES seat_place (id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_draft_judgement_id_judgement FOREIGN KEY (judgement_id)
        REFERENCES judgement (id) ON DELETE CASCADE
"""
MOVES_BACK = """
ALTER TABLE move DROP CONSTRAINT fk_move_play_id_play, DROP CONSTRAINT uq_move_play_id_path,
    ADD judgement_id uuid, ALTER play_id DROP NOT NULL;
UPDATE move SET play_id = NULL, judgement_id = play.id FROM play WHERE play.id = play_id AND kind = 'judging';
ALTER TABLE move RENAME play_id TO trial_id;
ALTER TABLE move
    ADD CONSTRAINT ck_move_one_owner CHECK (num_nonnulls(trial_id, judgement_id) = 1),
    ADD CONSTRAINT uq_move_trial_id_path UNIQUE (trial_id, path),
    ADD CONSTRAINT uq_move_judgement_id_path UNIQUE (judgement_id, path),
    ADD CONSTRAINT fk_move_trial_id_trial FOREIGN KEY (trial_id) REFERENCES trial (id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_move_judgement_id_judgement FOREIGN KEY (judgement_id)
        REFERENCES judgement (id) ON DELETE CASCADE
"""
CALLS_BACK = """
DROP INDEX ix_model_call_play_id;
ALTER TABLE model_call DROP CONSTRAINT fk_model_call_play_id_play, ADD judgement_id uuid;
UPDATE model_call SET play_id = NULL, judgement_id = play.id FROM play WHERE play.id = play_id AND kind = 'judging';
ALTER TABLE model_call RENAME play_id TO trial_id;
ALTER TABLE model_call
    ADD CONSTRAINT ck_model_call_at_most_one_owner CHECK (num_nonnulls(trial_id, judgement_id) <= 1),
    ADD CONSTRAINT fk_model_call_trial_id_trial FOREIGN KEY (trial_id) REFERENCES trial (id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_model_call_judgement_id_judgement FOREIGN KEY (judgement_id)
        REFERENCES judgement (id) ON DELETE CASCADE;
CREATE INDEX ix_model_call_trial_id ON model_call (trial_id);
CREATE INDEX ix_model_call_judgement_id ON model_call (judgement_id)
"""
VERDICTS_BACK = """
ALTER TABLE verdict DROP CONSTRAINT fk_verdict_play_id_play, DROP CONSTRAINT uq_verdict_play_id_reading,
    ADD trial_id uuid, ALTER play_id DROP NOT NULL;
UPDATE verdict SET trial_id = coalesce(talk_id, play.id), play_id = CASE WHEN kind = 'judging' THEN play.id END
    FROM play WHERE play.id = play_id;
ALTER TABLE verdict RENAME play_id TO judgement_id;
ALTER TABLE verdict
    ALTER trial_id SET NOT NULL,
    ADD CONSTRAINT uq_verdict_judgement_id_reading UNIQUE (judgement_id, reading),
    ADD CONSTRAINT fk_verdict_trial_id_trial FOREIGN KEY (trial_id) REFERENCES trial (id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_verdict_judgement_id_trial_id_judgement FOREIGN KEY (judgement_id, trial_id)
        REFERENCES judgement (id, trial_id) ON DELETE CASCADE;
CREATE INDEX ix_verdict_trial_id ON verdict (trial_id);
CREATE UNIQUE INDEX uq_verdict_trial_id_reading ON verdict (trial_id, reading) WHERE judgement_id IS NULL
"""
JOBS_BACK = """
UPDATE procrastinate_jobs SET
    task_name = CASE kind WHEN 'talk' THEN 'advance_trial' ELSE 'advance_judgement' END,
    lock = CASE kind WHEN 'talk' THEN 'trial:' ELSE 'judgement:' END || play.id
FROM play WHERE task_name = 'advance_play' AND play.id = (args->>'id')::uuid
"""


def downgrade() -> None:
    for statements in (
        TRIAL,
        JUDGEMENT,
        SEAT_PLACE,
        DRAFTS_BACK,
        MOVES_BACK,
        CALLS_BACK,
        VERDICTS_BACK,
        JOBS_BACK,
    ):
        op.execute(statements)
    op.execute("DROP TABLE seat, play")
    op.execute("ALTER TABLE judging_round DROP CONSTRAINT uq_judging_round_id_experiment_id")
