"""Names of arms in the builder: proposed from what sets an arm apart, changed until the start, and asked about where they say nothing."""

import html
import re

import httpx
import pytest

from app.web.experiment_editor.arm_names import default_names, with_proposed_names
from app.web.experiment_editor.form import ArmSheet, Sheet
from tests.web.experiment_editor.test_routes import HERE, alice, entered, press, problem
from tests.web.world import Browser

__all__ = ["alice"]


def names(*arms: ArmSheet) -> list[str]:
    return [arm.name for arm in with_proposed_names(Sheet(arms=list(arms))).arms]


def arm(
    protocol: str = "debate", name: str = "", seats: dict[str, str] | None = None, **settings: object
) -> ArmSheet:
    return ArmSheet(name=name, protocol=protocol, proposed=not name, settings=settings, seats=seats or {})


def test_a_proposal_says_the_protocol_then_what_sets_the_arm_apart() -> None:
    assert names(arm(), arm("naive")) == ["debate", "naive"]
    assert names(arm(), arm(rounds=2)) == ["debate", "debate-rounds-2"]
    assert names(arm(), arm(seats={"debaters": "big model"})) == ["debate", "debate-big-model"]
    assert names(arm(), arm(rounds=2), arm(rounds=2, seats={"debaters": "big"})) == [
        "debate",
        "debate-rounds-2",
        "debate-big",
    ]
    assert names(arm(), arm()) == ["debate", "debate-2"], "where nothing sets it apart it is a number"


def test_a_name_that_was_given_stays_and_references_follow_proposals() -> None:
    given = Sheet(
        arms=[arm(name="mine"), arm(name="old", rounds=2).model_copy(update={"proposed": True})],
        contrasts=[("mine", "old")],
        pgr={"floor": "old"},
    )
    found = with_proposed_names(given)
    assert [one.name for one in found.arms] == ["mine", "debate"]
    assert (found.contrasts, found.pgr) == ([("mine", "debate")], {"floor": "debate"})


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("arm", True),
        ("arm-2", True),
        ("debate-2", True),
        ("debate", False),
        ("debate-rounds-2", False),
        ("naive-2", False),
    ],
)
def test_a_default_name_is_one_that_says_no_more_than_a_number(name: str, default: bool) -> None:
    assert (default_names([arm(name=name)]) == {0: name}) is default


def values(page: httpx.Response) -> list[str]:
    return re.findall(r'name="arms\.\d+\.name" value="([^"]*)"', page.text)


async def test_a_new_arm_is_called_after_its_protocol_and_follows_it_until_it_is_named(
    alice: Browser,
) -> None:
    page = await press(alice, await alice.get(HERE), "add-arm")
    assert values(page) == ["debate", "naive"]
    page = await press(alice, page, "", **{"arms.1.protocol": "consultancy"})
    assert values(page) == ["debate", "consultancy"]
    page = await press(alice, page, "", **{"arms.1.name": "advice", "arms.1.protocol": "expert"})
    assert values(page) == ["debate", "advice"]


async def test_a_start_with_a_default_name_is_asked_about_once_and_then_keeps_it(alice: Browser) -> None:
    page = await press(alice, await alice.get(HERE), "add-arm")
    page = await press(alice, page, "", **{"arms.1.protocol": "debate"})
    page = await press(
        alice,
        page,
        "",
        name="named",
        **{"arms.1.name": "arm-2", "arms.1.seats.debaters": "extractive-debater"},
    )
    assert "arm-2: this arm still has a default name" in html.unescape(page.text)
    asked = await press(alice, page, "start")
    assert (asked.status_code, "default names" in problem(asked)) == (422, True)
    assert re.search(r'name="arms\.1\.name"[^>]*aria-invalid="true"[^>]*autofocus', asked.text)
    renamed = await press(alice, asked, "start", **{"arms.1.name": "arm-3"})
    assert renamed.status_code == 422, "another default name is asked about too"
    started = await press(alice, asked, "start")
    assert problem(started) == ""
    assert (started.status_code, started.headers["location"]) == (303, "/experiments/named")
    assert "this arm still has" not in (await alice.get(HERE)).text


async def test_nothing_is_asked_where_every_arm_is_named(alice: Browser) -> None:
    page = await press(alice, await alice.get(HERE), "add-arm")
    assert entered(page)["arms.1.proposed"] == "naive"
    assert (await press(alice, page, "start", name="well-named")).status_code == 303
