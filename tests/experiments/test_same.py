"""The same file goes on with its experiment after an upgrade that added or changed defaults; another file does not."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.experiments.freeze import judge_again, start
from app.experiments.same import FROZEN, as_file, frozen, refuse_another
from app.experiments.spec import RULES, Panel, PanelSpec, SpecError, parse_spec, read_panel
from app.records.database import Database
from models import Experiment, Judgement, JudgingRound
from tests.factories import finished, imported, passage, spec, started
from tests.processes import write_spec

PEOPLE = {"humans": 2}
MODEL = {"kind": "model", "endpoint": "here", "model": "m"}


def full(**changes: Any) -> dict[str, Any]:
    """A file with every kind of part: a model at an endpoint, people, a cap and prices."""
    cast = {**spec()["participants"], "m": MODEL}
    return spec(
        participants=cast,
        endpoints={"here": {"base_url": "http://127.0.0.1:9/v1"}},
        judges=["m", "lexical", PEOPLE],
        cap={"calls": 7},
        prices={"m": {"prompt": 1, "completion": 2}},
        **changes,
    )


def as_stored(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a file as it is frozen today."""
    parsed = parse_spec(data)
    return frozen(parsed.normalised(), parsed.stated)


def compare(stored: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """Refuse another file than the stored one."""
    parsed = parse_spec(data)
    refuse_another("The experiment small", stored, parsed.normalised(), parsed.stated)


def of_the_first_rules(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec as it was stored before specs had a version."""
    return as_file(stored)


YOUNGER: dict[str, Callable[[dict[str, Any]], Any]] = {
    "setting of a protocol": lambda stored: stored["arms"][3].pop("min_words"),
    "setting of a model": lambda stored: stored["participants"]["m"].pop("asks"),
    "setting of an endpoint": lambda stored: stored["endpoints"]["here"].pop("api_key_env"),
    "setting of people": lambda stored: stored["judges"][2].pop("lease_minutes"),
    "setting of the tasks": lambda stored: stored["tasks"].pop("answers"),
    "setting of the whole": lambda stored: stored.pop("replicates"),
    "price": lambda stored: stored["prices"]["m"].pop("cached"),
}


@pytest.mark.parametrize("younger", YOUNGER.values(), ids=YOUNGER.keys())
@pytest.mark.parametrize("version", [1, RULES])
def test_a_file_goes_on_after_a_setting_was_added(
    younger: Callable[[dict[str, Any]], Any], version: int
) -> None:
    stored = as_stored(full()) if version == RULES else of_the_first_rules(as_stored(full()))
    younger(stored)
    compare(stored, full())


def test_a_file_goes_on_after_a_default_was_changed() -> None:
    stored = as_stored(full())
    stored["arms"][3]["target_words"] += 50
    stored["participants"]["m"]["timeout"] = 17.0
    stored["judges"][2]["lease_minutes"] = 45
    stored["elicit"] = "each_step"
    compare(stored, full())


def test_what_a_file_states_is_compared_with_what_was_frozen() -> None:
    stored = as_stored(full())
    stored["arms"][3]["target_words"] = 90
    changed = full()
    changed["arms"]["debate"]["target_words"] = 80
    with pytest.raises(SpecError, match=r"from another file \(arms\[3\]\.target_words differs\)"):
        compare(stored, changed)
    changed["arms"]["debate"]["target_words"] = 90
    compare(stored, changed)


def test_a_line_that_is_taken_out_of_a_file_makes_another_file() -> None:
    stored = as_stored(full(replicates=3))
    with pytest.raises(SpecError, match=r"\(replicates differs\)"):
        compare(stored, full())
    usual = as_stored(full(replicates=1))
    compare(usual, full())


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda data: data["judges"].pop(1), "judges"),
        (lambda data: data["judges"][2].update(seconds=60), r"judges\[2\]\.seconds"),
        (lambda data: data["participants"].update(more=MODEL), r"participants\.more"),
        (lambda data: data["arms"].update(other={"protocol": "naive"}), "arms"),
        (lambda data: data["arms"]["debate"]["seats"].update(debater_a="dice"), r"arms\[3\]\.seats\."),
        (lambda data: data["tasks"].update(limit=3), r"tasks\.limit"),
        (lambda data: data["endpoints"]["here"].update(base_url="http://127.0.0.1:8/v1"), "endpoints"),
        (lambda data: data.update(contrasts=[["naive", "expert"]]), "contrasts"),
        (lambda data: data["prices"]["m"].update(cached=0.5), r"prices\.m\.cached"),
    ],
)
@pytest.mark.parametrize("version", [1, RULES])
def test_any_change_of_a_file_is_named(
    change: Callable[[dict[str, Any]], Any], path: str, version: int
) -> None:
    data = full()
    stored = as_stored(data) if version == RULES else of_the_first_rules(as_stored(data))
    changed = {**data, **{key: dict(value) for key, value in data.items() if isinstance(value, dict)}}
    changed["judges"] = [dict(each) if isinstance(each, dict) else each for each in data["judges"]]
    changed["arms"] = {
        name: {**arm, "seats": dict(arm.get("seats", {}))} for name, arm in data["arms"].items()
    }
    for part in ("endpoints", "prices"):
        changed[part] = {name: dict(item) for name, item in data[part].items()}
    change(changed)
    with pytest.raises(SpecError, match=rf"from another file \({path}"):
        compare(stored, changed)


def test_another_cap_is_named_as_one() -> None:
    with pytest.raises(SpecError, match=r"started with another cap \(cap\.calls differs\)"):
        compare(as_stored(full()), {**full(), "cap": {"calls": 8}})
    without = {key: value for key, value in full().items() if key != "cap"}
    with pytest.raises(SpecError, match=r"started with another cap \(cap differs\)"):
        compare(as_stored(full()), without)


def test_a_preset_goes_on_after_its_settings_changed() -> None:
    cast = {"m": {**MODEL, "temperature": 0.8}}
    data = spec(
        participants=cast,
        endpoints={"here": {"base_url": "http://127.0.0.1:9/v1"}},
        arms={"debate": {"preset": "kenton-2024-debate", "seats": {"debaters": "m"}}},
        judges=["m"],
        contrasts=[],
    )
    stored = as_stored(data)
    stored["arms"][0]["rounds"] += 1
    compare(stored, data)


def test_a_former_default_of_the_first_rules_is_read_as_it_was_meant() -> None:
    data = spec()
    del data["arms"]["consultancy"]["questions"]
    stored = of_the_first_rules(as_stored(data))
    assert stored["arms"][2]["questions"] == "judge"
    stored["arms"][2]["questions"] = "none"
    compare(stored, data)
    data["arms"]["consultancy"]["questions"] = "judge"
    with pytest.raises(SpecError, match=r"\(arms\[2\]\.questions differs\)"):
        compare(stored, data)


def test_a_spec_of_newer_rules_says_so() -> None:
    stored = {**as_stored(full()), "rules": RULES + 1}
    with pytest.raises(
        SpecError, match=f"started by a newer version of the arena \\(rules {RULES + 1}; this one"
    ):
        compare(stored, full())


def test_what_is_added_when_a_spec_is_frozen_is_in_no_file() -> None:
    stored = as_stored(full())
    assert stored["rules"] == RULES
    assert {"arms/3/rounds", "judges/2/humans", "cap/calls", "prices/m/prompt"} <= {*stored["stated"]}
    assert "arms/3/min_words" not in stored["stated"]
    assert as_file(stored) == parse_spec(full()).normalised()
    assert not {*FROZEN} & {*as_file(stored)}


async def test_an_experiment_of_before_goes_on_as_it_was_frozen(database: Database) -> None:
    await imported(database, passage("Alba"))
    experiment = await started(database, spec())
    old = as_file(experiment.spec)
    for arm in old["arms"]:
        arm.pop("prompt_version")
    old["arms"][3].pop("min_words")
    old.pop("contrasts")
    async with database.session.begin() as db:
        await db.execute(update(Experiment).values(spec=old))
    async with database.session.begin() as db:
        found = await start(db, parse_spec(spec()))
    assert not found.new
    assert found.experiment.spec == old


async def test_a_judging_round_goes_on_with_the_judges_that_it_was_begun_with(
    database: Database, tmp_path: Any
) -> None:
    """A setting that is younger than the round must not make another judge, who would judge everything again."""
    experiment = await finished(database, passage("Alba"))
    cast = {"again": {"kind": "model", "base_url": "http://127.0.0.1:9/v1", "model": "m"}}
    file = write_spec(tmp_path / "panel.yaml", {"name": "more", "participants": cast, "judges": ["again"]})
    async with database.session.begin() as db:
        first = await judge_again(db, experiment, read_panel(file))
    assert first
    async with database.session.begin() as db:
        found = (await db.scalars(select(JudgingRound).where(JudgingRound.name == "more"))).one()
        of_then = {key: value for key, value in found.spec["participants"]["again"].items() if key != "asks"}
        found.spec = {**found.spec, "participants": {"again": of_then}}
        # The judge of that time had no such setting either.
        of_round = select(Judgement.judge_id).where(Judgement.round_id == found.id).distinct()
        judge = (await db.scalars(of_round)).one()
        begun = await participant_of(db, of_then)
        await db.execute(update(Judgement).where(Judgement.judge_id == judge).values(judge_id=begun))
    async with database.session.begin() as db:
        assert await judge_again(db, experiment, read_panel(file)) == 0
        number = await db.scalar(
            select(func.count()).select_from(Judgement).where(Judgement.round_id == found.id)
        )
    assert number == first


async def participant_of(db: Any, settings: Mapping[str, Any]) -> Any:
    """Store the judge as the code of that time did, and return its id."""
    from app.experiments.freeze import _participant
    from app.participants.base import EndpointSettings
    from app.records.experiments import save_participants

    endpoint = ("again", EndpointSettings.model_validate({"base_url": "http://127.0.0.1:9/v1"}))
    return (await save_participants(db, [_participant("again", settings, endpoint)]))["again"]


async def test_the_first_panels_name_is_taken(database: Database) -> None:
    experiment = await finished(database, passage("Alba"))
    cast = parse_spec(spec()).cast
    async with database.session.begin() as db:
        with pytest.raises(SpecError, match="was started from another file"):
            await judge_again(db, experiment, PanelSpec("panel", cast, Panel(("dice",), "final", None)))
