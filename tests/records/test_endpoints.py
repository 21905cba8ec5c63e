"""Endpoints on record: with headers and a query they are others than without, and older ones stay what they were."""

from sqlalchemy import select

from app.experiments.freeze import cast_of
from app.experiments.spec import Cast, digest
from app.participants.base import EndpointSettings, ModelSettings
from app.records.database import Database
from app.records.endpoints import endpoints, settings_of
from app.records.experiments import save_participants
from models import Endpoint

AZURE = {
    "headers": {"api-key": "ARENA_KEY_AZURE"},
    "query": {"api-version": "2024-10-21"},
    "fold_system": True,
}


def cast(**more: object) -> Cast:
    settings = EndpointSettings.model_validate(
        {"base_url": "http://model.test/v1", "api_key_env": "K", **more}
    )
    return Cast({"big": settings}, {"judge": ModelSettings(endpoint="big", model="m")})


async def test_what_an_endpoint_sends_is_kept_and_makes_it_another(database: Database) -> None:
    async with database.session.begin() as session:
        plain = await save_participants(session, cast_of(cast(), ["judge"]))
        azure = await save_participants(session, cast_of(cast(**AZURE), ["judge"]))
        again = await save_participants(session, cast_of(cast(**AZURE), ["judge"]))
        rows = (await session.scalars(select(Endpoint))).all()
    assert plain != azure == again
    assert sorted((settings_of(row) for row in rows), key=lambda one: one.fold_system) == [
        cast().endpoints["big"],
        cast(**AZURE).endpoints["big"],
    ]
    assert len(await endpoints(database)) == 2


def test_participants_of_endpoints_without_them_are_those_of_before() -> None:
    [old] = cast_of(cast(), ["judge"])
    settings = ModelSettings(endpoint="big", model="m").model_dump(mode="json")
    assert old.digest == digest(["judge", settings, ["big", "http://model.test/v1", "K"]])
    assert cast().normalised()["endpoints"]["big"] == {"base_url": "http://model.test/v1", "api_key_env": "K"}
