"""Studies made, changed, opened, paused and closed; each refusal is one sentence, and leaves everything as it was."""

import json
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.cli.serving import EXPERIMENTS, STUDY
from app.exchange.importing import take_sample
from app.experiments.freeze import start
from app.experiments.spec import SpecError, read_spec
from app.records import studies as records
from app.records.database import Database
from app.services import studies as service
from app.services.demo import study_path
from app.services.refusal import Refused
from app.services.study_links import join_path, study_of_link
from app.settings import Settings
from app.studies.spec import Page, read_study
from models import Account, Audit, Experiment, Study
from tests.factories import finished, passage, spec
from tests.studies import study_file, study_spec
from tests.web.world import for_people

AT = "2020-01-01T00:00"


async def researcher(database: Database, name: str, role: str = "researcher") -> Account:
    """A new account."""
    account = Account(id=uuid.uuid4(), name=name, role=role, email=f"{name}@arena.test")
    async with database.session.begin() as session:
        session.add(account)
    return account


async def judged_by_people(database: Database, name: str = "small", **changes: Any) -> Experiment:
    """An experiment whose two talks wait for two people each."""
    arms = {"debate": spec()["arms"]["debate"]}
    data = {**for_people(), "arms": arms, "name": name, **changes}
    return await finished(database, passage("Alba", 1), passage("Brise", 1), data=data)


async def created(database: Database, who: Account | None = None, **changes: Any) -> Study:
    """A draft."""
    async with database.session.begin() as session:
        return await service.create(session, who, study_spec(**changes))


async def steered(database: Database, name: str, action: service.Action, who: Account | None = None) -> Study:
    """A study after an action."""
    async with database.session.begin() as session:
        return await service.steer(session, who, name, action)


async def refusal_to_open(database: Database, **changes: Any) -> str:
    """What a study is refused with when it is opened; it stays a draft."""
    await created(database, **changes)
    name = changes.get("name", "pilot")
    with pytest.raises(SpecError) as refused:
        await steered(database, name, "open")
    async with database.session() as session:
        study = await records.by_name(session, name)
        assert study is not None
        assert study.state == "draft"
        assert study.codes == {}
    return str(refused.value)


async def test_a_study_is_made_opened_paused_closed_and_opened_again(database: Database) -> None:
    await judged_by_people(database)
    await created(database)
    study = await steered(database, "pilot", "open")
    assert study.state == "open"
    codes = study.codes
    assert set(codes) == {"completed", "screened_out", "failed_checks"}
    assert (await steered(database, "pilot", "open")).state == "open"
    assert (await steered(database, "pilot", "pause")).state == "paused"
    assert (await steered(database, "pilot", "close")).state == "closed"
    with pytest.raises(Refused, match=r"The study pilot is closed: open it again first\."):
        await steered(database, "pilot", "pause")
    study = await steered(database, "pilot", "open")
    assert study.codes == codes
    async with database.session() as session:
        done = await session.scalars(
            select(Audit.action).where(Audit.object_kind == "study").order_by(Audit.at)
        )
    assert list(done) == ["made", "open", "paused", "closed", "open"]


async def test_a_draft_is_neither_paused_nor_closed(database: Database) -> None:
    await judged_by_people(database)
    await created(database)
    for action in ("pause", "close"):
        with pytest.raises(Refused, match=r"The study pilot is a draft: open it first\."):
            await steered(database, "pilot", action)  # type: ignore[arg-type]


async def test_an_unknown_experiment_is_refused_with_the_nearest_name(database: Database) -> None:
    await judged_by_people(database)
    with pytest.raises(SpecError, match=r"experiments: unknown experiment 'smal'; the nearest is 'small'\."):
        await created(database, experiments=["smal"])


async def test_another_researchers_experiment_is_unknown(database: Database) -> None:
    experiment = await judged_by_people(database)
    alice, eve = await researcher(database, "alice"), await researcher(database, "eve")
    async with database.session.begin() as session:
        (await session.get_one(Experiment, experiment.id)).owner_id = alice.id
    with pytest.raises(SpecError, match=r"experiments: unknown experiment 'small'; valid are none yet\."):
        await created(database, eve)
    await created(database, alice)


async def test_an_experiment_that_another_running_study_keeps_is_refused(database: Database) -> None:
    await judged_by_people(database)
    await created(database, name="first")
    await steered(database, "first", "open")
    said = await refusal_to_open(database)
    assert said.startswith("experiments: the running study first keeps seats of small: close it first")
    await steered(database, "first", "close")
    assert (await steered(database, "pilot", "open")).state == "open"
    with pytest.raises(SpecError, match="the running study pilot keeps seats of small"):
        await steered(database, "first", "open")


async def test_an_experiment_without_people_on_its_panel_is_refused(database: Database) -> None:
    await judged_by_people(database, judges=["lexical"])
    said = await refusal_to_open(database)
    assert said == (
        "experiments: small has no seat for a judge: give it judges: {humans: N}, or add a judging round with people."
    )


async def test_an_experiment_without_a_seat_for_debaters_is_refused(database: Database) -> None:
    await judged_by_people(database)
    said = await refusal_to_open(database, role="debater")
    assert said.startswith("experiments: small has no seat for a debater: give it a seat that `people` take")


async def test_more_trials_than_there_are_seats_are_refused_with_both_numbers(database: Database) -> None:
    await judged_by_people(database)
    said = await refusal_to_open(database, people=5)
    assert said.startswith("people: 5 people with 2 trials each are 10 trials, but only 4 seats are free")


async def test_more_trials_than_one_person_can_have_are_refused_with_both_numbers(database: Database) -> None:
    await judged_by_people(database)
    said = await refusal_to_open(database, people=1, trials=3)
    assert said.startswith("trials: 3 are promised to each person, but one person can have 2 at most")


MISLED = {
    "passage": "Far",
    "passage_digest": "ab" * 32,
    "question": "Far-q1",
    "question_text": "Who rang the bell?",
    "argued": "The sexton did.",
    "argument": "It was him.",
    "acceptance": 0.8,
}
SHOWN = {
    "protocol": "prover-verifier",
    "examples": 1,
    "prompts": {"examples": json.dumps(MISLED)},
    "seats": {"provers": "advocate"},
}
MARKED = {"protocol": "critique", "mark": True, "seats": {"author": "advocate", "critics": "advocate"}}


@pytest.mark.parametrize(
    ("arm", "does"),
    [
        ({"protocol": "expert"}, "read the text"),
        (SHOWN, "read examples first"),
        (MARKED, "mark the points of a critique"),
    ],
)
async def test_items_between_trials_that_could_be_told_from_all_of_them_are_refused(
    database: Database, arm: dict[str, Any], does: str
) -> None:
    await judged_by_people(database, arms={"only": arm}, elicit="final")
    said = await refusal_to_open(database)
    assert said == (
        f"checks: people could tell attention checks and gold items from trials, in which they {does}: "
        "leave these items out, or name another experiment."
    )
    await created(database, None, name="without", checks={})
    assert (await steered(database, "without", "open")).state == "open"


async def test_items_are_taken_where_trials_of_one_arm_are_like_them(database: Database) -> None:
    arms = {"only": {"protocol": "expert"}, "debate": spec()["arms"]["debate"]}
    await judged_by_people(database, arms=arms)
    await created(database)
    assert (await steered(database, "pilot", "open")).state == "open"


async def test_a_replacement_that_the_experiment_does_not_name_is_refused(database: Database) -> None:
    await judged_by_people(database)
    said = await refusal_to_open(database, live={"leaves": "replace", "replacement": "someone"})
    assert (
        said == "live.replacement: small has no participant someone: name one of its file, or let talks end."
    )


async def test_a_time_that_is_over_is_refused(database: Database) -> None:
    await judged_by_people(database)
    said = await refusal_to_open(database, closes=AT)
    assert said == "closes: 2020-01-01 00:00 UTC is in the past: name a later time, or none."
    later = datetime.now(UTC) + timedelta(days=1)
    await created(database, name="later", closes=later)
    assert (await steered(database, "later", "open")).state == "open"


@pytest.mark.parametrize(
    ("state", "said"), [("paused", "resume it first"), ("cancelled", "it was given up for good")]
)
async def test_an_experiment_that_does_not_run_is_refused(database: Database, state: str, said: str) -> None:
    experiment = await judged_by_people(database)
    async with database.session.begin() as session:
        (await session.get_one(Experiment, experiment.id)).state = state
    refused = await refusal_to_open(database)
    assert f"experiments: small is {state}: {said}" in refused


async def test_what_should_be_thought_over_does_not_stand_in_the_way(database: Database) -> None:
    await judged_by_people(database)
    changes = {"reward": {"amount": "0.50"}, "pages": {}, "time_limit": 5}
    async with database.session() as session:
        checked = await service.check(session, None, study_spec(**changes))
    assert checked.problems == ()
    assert [warning.partition(":")[0] for warning in checked.warnings] == ["reward", "pages", "time_limit"]
    assert "£3.00 an hour" in checked.warnings[0]
    await created(database, **changes)
    assert (await steered(database, "pilot", "open")).state == "open"


async def test_a_name_is_taken_once_and_no_address_of_a_page(database: Database) -> None:
    await judged_by_people(database)
    await created(database)
    with pytest.raises(Refused, match="The name pilot is taken: change it at /studies/pilot, or choose"):
        await created(database)
    eve = await researcher(database, "eve")
    alice = await researcher(database, "alice")
    await created(database, alice, name="hers")
    with pytest.raises(Refused, match=r"The name hers is taken: choose another\."):
        await created(database, eve, name="hers")
    with pytest.raises(SpecError, match=r"name: 'new' is the address of a page: choose another\."):
        await created(database, name="new")


async def test_a_draft_changes_and_an_open_study_only_in_its_texts(database: Database) -> None:
    await judged_by_people(database)
    await created(database)
    async with database.session.begin() as session:
        await service.change(session, None, "pilot", study_spec(name="renamed", people=1))
    async with database.session.begin() as session:
        study = await service.visible_study(session, None, "renamed")
        assert study.spec["people"] == 1
    await steered(database, "renamed", "open")
    with pytest.raises(Refused, match="The study renamed was opened, so only its texts can change"):
        async with database.session.begin() as session:
            await service.change(session, None, "renamed", study_spec(name="renamed", people=2))
    with pytest.raises(Refused, match="The study renamed was opened, so it stays on record"):
        async with database.session.begin() as session:
            await service.delete_draft(session, None, "renamed")
    async with database.session.begin() as session:
        written = await service.write_text(session, None, "renamed", Page.CONSENT, "Agree?\r\nYes.")
        assert (written.version, written.markdown) == (2, "Agree?\nYes.")
        again = await service.write_text(session, None, "renamed", Page.CONSENT, "Agree?\nYes.")
        assert again.version == 2
        spec = await service.written_spec(session, await service.visible_study(session, None, "renamed"))
    assert spec.texts[Page.CONSENT] == "Agree?\nYes."
    assert spec.texts[Page.DEBRIEFING] == "Thank you."


async def test_a_text_for_a_page_that_is_left_out_is_refused(database: Database) -> None:
    await judged_by_people(database)
    await created(database, pages={"consent": {"text": "Agree?"}})
    for page in (Page.TRIALS, Page.DEBRIEFING):
        with pytest.raises(Refused, match=f"The study pilot has no page {page} with a text"):
            async with database.session.begin() as session:
                await service.write_text(session, None, "pilot", page, "x")
    with pytest.raises(Refused, match="The text has 40,001 characters: at most 40,000 are taken"):
        async with database.session.begin() as session:
            await service.write_text(session, None, "pilot", Page.CONSENT, "x" * 40_001)


async def test_a_deleted_draft_is_gone_and_its_name_free(database: Database) -> None:
    await judged_by_people(database)
    await created(database)
    async with database.session.begin() as session:
        await service.delete_draft(session, None, "pilot")
    await created(database)


async def test_a_study_is_its_owners_and_one_of_the_command_line_everybodys(database: Database) -> None:
    await judged_by_people(database)
    people = {name: await researcher(database, name) for name in ("alice", "eve")}
    admin = await researcher(database, "root", "admin")
    judge = await researcher(database, "judge", "judge")
    await created(database, people["alice"], name="hers")
    await created(database, name="everybodys")

    async def seen(who: Account) -> list[str]:
        async with database.session() as session:
            found = [name for name in ("hers", "everybodys") if await _visible(session, who, name)]
            if who.role != "judge":
                listed = await records.listed(session, service.owner_seen(who), 1)
                assert sorted(row.name for row in listed.rows) == sorted(found)
            return found

    assert await seen(people["alice"]) == ["hers", "everybodys"]
    assert await seen(people["eve"]) == ["everybodys"]
    assert await seen(admin) == ["hers", "everybodys"]
    assert await seen(judge) == []


async def _visible(session: Any, who: Account, name: str) -> bool:
    with suppress(Refused):
        return (await service.visible_study(session, who, name)).name == name
    return False


def test_a_file_from_outside_names_no_key_of_the_arenas_own() -> None:
    recruiter = {"kind": "prolific", "token": "DATABASE_URL"}
    with pytest.raises(SpecError, match=r"recruiter.token: name a variable that begins with ARENA_KEY_"):
        service.outside_study(study_file(recruiter=recruiter), Settings())
    for variable in ("ARENA_KEY_PROLIFIC", "PROLIFIC_TOKEN"):
        settings = Settings(key_variables=("PROLIFIC_TOKEN",))
        found = service.outside_study(study_file(recruiter={**recruiter, "token": variable}), settings)
        assert found.recruiter.token == variable


async def test_a_link_leads_to_its_study_and_a_made_up_one_to_none(database: Database) -> None:
    await judged_by_people(database)
    study = await created(database)
    async with database.session() as session:
        path = await join_path(session, study)
        token = path.removeprefix("/join/")
        found = await study_of_link(session, token)
        assert found is not None
        assert found.name == "pilot"
        assert await study_of_link(session, f"{token}x") is None
        assert await study_of_link(session, str(study.id)) is None


async def test_the_demo_opens_its_study_once_on_its_own_experiment(database: Database) -> None:
    async with database.session.begin() as session:
        await take_sample(session)
        await start(session, read_spec(EXPERIMENTS / "demo-study.yaml"))
    spec = read_study(STUDY)
    paths = []
    for _ in range(2):
        async with database.session.begin() as session:
            paths.append(await study_path(session, spec))
            study = await records.by_name(session, spec.name)
            assert study is not None
            assert study.state == "open"
    assert paths[0] == paths[1]
    assert paths[0].startswith("/join/")
