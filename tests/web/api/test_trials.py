"""The API's trials: found as the page finds them, and told whole to those who may see their experiment."""

import uuid
from typing import Any

import pytest

from tests.factories import TEXT, finished, market, passage
from tests.web.api.conftest import Programs
from tests.web.world import Site, World

TRIALS = "/experiments/for-people/trials"


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"arm": "debate"},
        {"state": "done"},
        {"state": "failed"},
        {"passage": "Alba"},
        {"judged": "right"},
        {"judged": "wrong", "judge": "lexical"},
        {"text": "OVERSLEPT"},
        {"arm": "debate", "passage": "Brise", "judged": "right"},
    ],
)
@pytest.mark.outside
async def test_trials_are_found_as_on_the_page(
    world: World, program: Programs, asked: dict[str, str]
) -> None:
    listed = (await (await program("alice", "read")).get(TRIALS, params=asked)).json()["items"]
    page = (await (await world.site.browser("alice")).get(TRIALS, params=asked)).text
    assert page.count('href="/trials/') == len(listed)
    assert all(f'href="/trials/{trial["id"]}' in page for trial in listed)
    for key in asked.keys() & {"arm", "state", "passage"}:
        assert {trial[key] for trial in listed} <= {asked[key]}
    if "judged" in asked:
        assert all(trial[asked["judged"]] for trial in listed)


async def test_a_filter_that_means_nothing_is_refused(world: World, program: Programs) -> None:
    alice = await program("alice", "read")
    for asked in ({"state": "lost"}, {"judged": "maybe"}):
        answer = await alice.get(TRIALS, params=asked)
        assert (answer.status_code, next(iter(asked)) in answer.json()["error"]) == (422, True)


@pytest.fixture
async def trial(site: Site, program: Programs) -> dict[str, Any]:
    """The first trial of a market, in full."""
    await finished(site.database, passage("Alba", 1), data=market())
    alice = await program("alice", "read")
    [listed] = (await alice.get("/experiments/market/trials")).json()["items"]
    answer: dict[str, Any] = (await alice.get(f"/trials/{listed['id']}")).json()
    return answer


async def test_a_trial_is_told_with_what_judges_read_and_what_they_did_not(trial: dict[str, Any]) -> None:
    moves = {move["path"]: move for move in trial["moves"]}
    read = [path for group in trial["transcript"] for path in group]
    assert len(read) == trial["measures"]["steps"] == 3
    assert set(read) < set(moves)
    assert {moves[path]["content"]["kind"] for path in read} == {"speech"}
    assert moves["t0/read1"]["seat"] == "predictor"
    assert (moves["t0/read1"]["participant"], moves["t0/read1"]["participant_kind"]) == ("dice", "builtin")
    assert trial["answers"][trial["gold"]] == "The pilot had overslept."
    assert trial["passage_text"] is None


async def test_its_verdicts_are_those_on_record(trial: dict[str, Any]) -> None:
    orders = [verdict["answer_order"] for verdict in trial["verdicts"]]
    assert orders == [[0, 1], [1, 0]]
    for verdict in trial["verdicts"]:
        assert (verdict["judge"], verdict["judge_kind"], verdict["round"]) == ("lexical", "builtin", "panel")
        assert verdict["beliefs"][-1] == verdict["belief"]
        assert len(verdict["beliefs"]) == 4
        assert sum(verdict["belief"]) == pytest.approx(1)


async def test_the_hidden_text_comes_only_where_it_is_asked_for(
    trial: dict[str, Any], program: Programs
) -> None:
    where = f"/trials/{trial['id']}"
    with_it = await (await program("alice", "read")).get(where, params={"include_passage": True})
    assert with_it.json() == {**trial, "passage_text": TEXT.format(key="Alba")}


async def test_anothers_trial_is_as_good_as_none(world: World, program: Programs) -> None:
    alice, charlie = await program("alice", "read"), await program("charlie", "read")
    [first, *_] = (await alice.get(TRIALS)).json()["items"]
    assert (await alice.get(f"/trials/{first['id']}")).status_code == 200
    hidden = await charlie.get(f"/trials/{first['id']}")
    missing = await charlie.get(f"/trials/{uuid.uuid4()}")
    assert (hidden.status_code, hidden.json()) == (missing.status_code, missing.json())
    assert hidden.status_code == 404
    assert (await charlie.get(TRIALS)).status_code == 404
