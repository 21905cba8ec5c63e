"""Arms of critique become arms of the three protocols that it was split into.

Their seats, their moves and what they ask stay the same, so that an experiment under way goes on. The stored file of an
experiment is written anew too: a file that says the same in the present words goes on with it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

CRITIQUE, PLANTED, RECURSIVE = "critique", "critique-planted-flaws", "recursive-critique"
ARMS = sa.text("SELECT id, protocol, settings, prompts FROM arm WHERE protocol = ANY(:protocols) FOR UPDATE")
CHANGE_ARM = sa.text(
    "UPDATE arm SET protocol = :protocol, settings = :settings, prompts = :prompts WHERE id = :id"
).bindparams(
    sa.bindparam("settings", type_=postgresql.JSONB()), sa.bindparam("prompts", type_=postgresql.JSONB())
)
EXPERIMENTS = sa.text(
    "SELECT id, spec FROM experiment WHERE EXISTS "
    "(SELECT FROM jsonb_array_elements(spec -> 'arms') AS arm WHERE arm ->> 'protocol' = ANY(:protocols)) FOR UPDATE"
)
CHANGE_EXPERIMENT = sa.text("UPDATE experiment SET spec = :spec WHERE id = :id").bindparams(
    sa.bindparam("spec", type_=postgresql.JSONB())
)

SETTINGS = (
    *("target_words", "min_words", "max_words", "quote_characters", "candidates", "refinements", "attack"),
    *("attacker", "depth", "votes", "points", "rebuttal", "planted", "planted_by", "grade", "mark"),
)
"""All settings of any of them; other keys of an arm in a stored file are no settings."""

Settings = Mapping[str, Any]


def split(settings: Settings) -> tuple[str, dict[str, Any]]:
    """Return the protocol and the settings of what was an arm of critique with these settings."""
    kept = {
        key: value
        for key, value in settings.items()
        if key not in ("depth", "votes", "rebuttal", "planted", "planted_by", "grade")
    }
    votes = settings["votes"] > 1
    levels = {"depth": settings["votes"] if votes else settings["depth"], "votes": votes}
    if settings["planted"]:
        planted = {key: settings[key] for key in ("planted", "planted_by")}
        return PLANTED, {**kept, **levels, **planted}
    if levels["depth"] > 1:
        return RECURSIVE, {**kept, **levels, "grade": settings["grade"]}
    return CRITIQUE, {**kept, **{key: settings[key] for key in ("rebuttal", "grade")}}


def joined(settings: Settings) -> dict[str, Any]:
    """Return the settings that an arm of one of the three protocols had as one of critique."""
    kept = {key: value for key, value in settings.items() if key not in ("depth", "votes")}
    depth, votes = settings.get("depth", 1), settings.get("votes", False)
    absent = {"rebuttal": False, "planted": 0.0, "planted_by": "tamperer", "grade": False}
    return {**absent, **kept, "depth": 1 if votes else depth, "votes": depth if votes else 1}


def upgrade() -> None:
    _change([CRITIQUE], split)


def downgrade() -> None:
    _change([CRITIQUE, PLANTED, RECURSIVE], lambda settings: (CRITIQUE, joined(settings)))


def _change(protocols: list[str], change: Callable[[Settings], tuple[str, dict[str, Any]]]) -> None:
    """Change every arm of these protocols, in its own row and in the file of its experiment."""
    database = op.get_bind()
    for arm in database.execute(ARMS, {"protocols": protocols}).all():
        protocol, settings = change(arm.settings)
        prompts = {
            f"{protocol}/{kind}" if folder == arm.protocol else f"{folder}/{kind}": digest
            for (folder, _, kind), digest in (
                (name.partition("/"), text) for name, text in arm.prompts.items()
            )
        }
        database.execute(
            CHANGE_ARM, {"id": arm.id, "protocol": protocol, "settings": settings, "prompts": prompts}
        )
    for experiment in database.execute(EXPERIMENTS, {"protocols": protocols}).all():
        arms = [_in_file(arm, protocols, change) for arm in experiment.spec["arms"]]
        database.execute(CHANGE_EXPERIMENT, {"id": experiment.id, "spec": {**experiment.spec, "arms": arms}})


def _in_file(
    arm: Settings, protocols: list[str], change: Callable[[Settings], tuple[str, dict[str, Any]]]
) -> dict[str, Any]:
    if arm["protocol"] not in protocols:
        return dict(arm)
    protocol, settings = change({key: value for key, value in arm.items() if key in SETTINGS})
    return {
        **{key: value for key, value in arm.items() if key not in SETTINGS},
        "protocol": protocol,
        **settings,
    }
