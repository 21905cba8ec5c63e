"""What a judging takes of a model: calls and tokens."""

from sqlalchemy import select

from app.records.database import Database
from app.records.judging_costs import judging_costs
from models import CallAttempt, Judgement, ModelCall
from tests.factories import finished, passage, spec
from tests.servers import Script, ScriptedServer


async def test_a_model_takes_its_calls_and_tokens_and_a_built_in_judge_none(database: Database) -> None:
    async with ScriptedServer(Script()) as server:
        model = {"kind": "model", "base_url": server.base_url, "model": "scripted"}
        data = spec(
            participants={"tiny": model, "lexical": {"kind": "builtin", "name": "lexical-judge"}},
            arms={"naive": {"protocol": "naive"}},
            judges=["tiny", "lexical"],
            elicit="final",
        )
        experiment = await finished(database, passage("Alba", 1), passage("Brise", 1), data=data)
    async with database.session() as session:
        [(name, cost)] = (await judging_costs(session, experiment.id)).items()
        calls = (
            await session.scalars(select(ModelCall).join(Judgement, Judgement.id == ModelCall.play_id))
        ).all()
        tried = (
            await session.scalars(select(CallAttempt).where(CallAttempt.call_id.in_(c.id for c in calls)))
        ).all()
    assert (name, cost.judgings) == ("tiny", 2)
    assert cost.calls == len(calls) / 2
    assert cost.tokens == sum((one.tokens_in or 0) + (one.tokens_out or 0) for one in tried) / 2
