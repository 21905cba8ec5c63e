"""Verdicts keep what was said, the interval of a belief with a missing letter, and flags.

Verdicts that are there keep their figures: nothing was said or bounded in them, and no flag is known.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0011"
down_revision = "0010"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

UP = """
ALTER TABLE verdict
    ADD said double precision[],
    ADD bounds jsonb,
    ADD flags text[] DEFAULT '{}' NOT NULL,
    ADD CONSTRAINT ck_verdict_said_of_the_answers CHECK (cardinality(said) = cardinality(belief)),
    ADD CONSTRAINT ck_verdict_bounds_of_the_answers CHECK (jsonb_array_length(bounds) = cardinality(belief)),
    ADD CONSTRAINT ck_verdict_flags_are_known
        CHECK (flags <@ ARRAY['bounded', 'undecided', 'off_sum', 'no_weight']),
    DROP CONSTRAINT ck_verdict_method_is_known,
    ADD CONSTRAINT ck_verdict_method_is_known
        CHECK (method IN ('logprobs', 'constrained', 'verbalised', 'votes', 'stated', 'baseline'))
"""
DOWN = """
UPDATE verdict SET method = 'logprobs' WHERE method = 'constrained';
ALTER TABLE verdict
    DROP CONSTRAINT ck_verdict_method_is_known,
    ADD CONSTRAINT ck_verdict_method_is_known
        CHECK (method IN ('logprobs', 'verbalised', 'votes', 'stated', 'baseline')),
    DROP CONSTRAINT ck_verdict_said_of_the_answers,
    DROP CONSTRAINT ck_verdict_bounds_of_the_answers,
    DROP CONSTRAINT ck_verdict_flags_are_known,
    DROP said, DROP bounds, DROP flags
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
