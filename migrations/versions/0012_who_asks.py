"""The setting `questions` of consultancies says who asks, where it was a switch; interactive arms keep the judge's turn.

True was a stand-in for the judge (`questioner`), false is no one (`none`). Interactive arms that were started go on with
the order of asks under which their moves were made (`judge_turn: at_once`); their files are as they were.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0012"
down_revision = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

SETTINGS = """
UPDATE arm SET settings = jsonb_set(settings, '{{questions}}', {value})
WHERE protocol IN ('consultancy', 'open-consultancy') AND jsonb_typeof(settings->'questions') = '{kind}'
"""

SPECS = """
UPDATE experiment SET spec = jsonb_set(spec, '{{arms}}', (
    SELECT jsonb_agg(
        CASE WHEN arm->>'protocol' IN ('consultancy', 'open-consultancy') AND jsonb_typeof(arm->'questions') = '{kind}'
            THEN jsonb_set(arm, '{{questions}}', {spec}) ELSE arm END
        ORDER BY place
    )
    FROM jsonb_array_elements(spec->'arms') WITH ORDINALITY AS of (arm, place)
))
WHERE spec @> '{{"arms": [{{"protocol": "consultancy"}}]}}' OR spec @> '{{"arms": [{{"protocol": "open-consultancy"}}]}}'
"""

NAMED = """CASE WHEN ({at})::boolean THEN '"questioner"'::jsonb ELSE '"none"'::jsonb END"""
SWITCHED = """to_jsonb(({at}) #>> '{{}}' = 'questioner')"""


def upgrade() -> None:
    """Write who asks in place of true and false."""
    _rewrite(NAMED, "boolean")
    op.execute(
        'UPDATE arm SET settings = settings || \'{"judge_turn": "at_once"}\' '
        "WHERE protocol IN ('interactive-consultancy', 'interactive-debate')"
    )


def downgrade() -> None:
    """Write true for a stand-in and false otherwise; that a judge asks cannot be written there."""
    _rewrite(SWITCHED, "string")
    op.execute("UPDATE arm SET settings = settings - 'judge_turn'")


def _rewrite(value: str, kind: str) -> None:
    op.execute(SETTINGS.format(value=value.format(at="settings->'questions'"), kind=kind))
    op.execute(SPECS.format(spec=value.format(at="arm->'questions'"), kind=kind))
