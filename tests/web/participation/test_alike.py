"""Items answer as trials do: every address of a seat, in every state, with the same status, headers and words."""

import re
import uuid
from typing import Any

import httpx
import pytest

from tests.web.entered import as_draft, as_form
from tests.web.participation.study import (
    REASON,
    RIGHT,
    Opened,
    Person,
    joined,
    opened_study,
    question,
    steps_of,
    study_file,
)
from tests.web.participation.test_items import LIKE_TRIALS, skeleton
from tests.web.world import Site

PATH = "judging/order0/step9"
"""A path that is never asked."""


async def begun(site: Site, **experiment: Any) -> tuple[Opened, Person]:
    """A person at the trials of a study with one attention check among three trials."""
    checks = {"attention": [LIKE_TRIALS]}
    opened = await opened_study(site, study_file(trials=3, checks=checks), **experiment)
    ada = await joined(opened)
    await ada.to_trials()
    return opened, ada


def alike(answer: httpx.Response, address: str) -> tuple[Any, ...]:
    """What of an answer must be the same of an item and of a trial."""
    words = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "SEAT", answer.text)
    words = re.sub(r'(nonce|csrf_token|value|hx-headers)=("[^"]*"|\'[^\']*\')', r"\1", words)
    short = words if len(words) < 400 else skeleton(words)
    headers = {
        key: re.sub(r"nonce-[^']+", "NONCE", value)
        for key, value in answer.headers.items()
        if key not in ("content-length", "location", "date")
    }
    leads = answer.headers.get("location", "").replace(address, "SEAT")
    return answer.status_code, leads, headers, short


async def asked(ada: Person, address: str) -> dict[str, tuple[Any, ...]]:
    """What every address of a seat answers, but for those that go on."""
    browser, token = ada.browser, {"X-CSRF-Token": ada.browser.csrf}
    belief = {"path": PATH, "p": RIGHT, "reason": REASON}
    answers = {
        "page": await browser.get(address),
        "page anew": await browser.get(address, headers={"HX-Request": "true"}),
        "examples read": await browser.get(address, params={"read": "true"}),
        "others": await browser.get(f"{address}/others"),
        "return form": await browser.get(f"{address}/return"),
        "draft": await browser.post(f"{address}/draft", json=as_draft(belief, at=1), headers=token),
        "unreadable draft": await browser.post(f"{address}/draft", json={"answers": []}, headers=token),
        "sent": await browser.submit(address, as_form(belief)),
        "unreadable": await browser.submit(address, {"0.path": ""}),
        "unreadable return": await browser.submit(f"{address}/return", {"knows_story": "perhaps"}),
        "overview": await browser.get("/part"),
    }
    return {what: alike(answer, address) for what, answer in answers.items()}


async def both(ada: Person, then: str) -> dict[str, dict[str, Any]]:
    """What a trial and the item answer once `then` was done to them, by kind; the overview as it is then."""
    found: dict[str, dict[str, Any]] = {}
    while len(found) < 2:
        page = await ada.go_on()
        address, kind = ada.at, "item" if "attend" in question(page) else "trial"
        if kind in found or then == "answered":
            await ada.judge()
        elif then == "given back":
            await ada.send(f"{address}/return")
        if kind in found:
            continue
        got = await asked(ada, address)
        if then == "in hand":
            marked = as_draft({**belief_at(page), "reason": "Half."}, at=5, knows_story=True)
            await ada.browser.post(
                f"{address}/draft", json=marked, headers={"X-CSRF-Token": ada.browser.csrf}
            )
            form = await ada.browser.get(f"{address}/return")
            got["marked"] = alike(form, address)
            assert "checked" in form.text
            ada.seen.append(address)
            await ada.judge()
        else:
            got.pop("overview")
        found[kind] = got
    return found


def belief_at(page: httpx.Response) -> dict[str, Any]:
    """An answer to what a page asks."""
    [path] = re.findall(r'name="0.path" value="([^"]+)"', page.text)
    return {"path": path, "p": RIGHT, "reason": REASON}


@pytest.mark.parametrize("then", ["in hand", "answered", "given back"])
async def test_every_address_of_an_item_answers_as_that_of_a_trial(site: Site, then: str) -> None:
    _, ada = await begun(site)
    found = await both(ada, then)
    assert found["item"].keys() == found["trial"].keys()
    for what, answer in found["trial"].items():
        assert found["item"][what] == answer, what


@pytest.mark.parametrize("end", ["stop", "withdraw"])
async def test_once_the_part_is_over_every_address_answers_the_same(site: Site, end: str) -> None:
    _, ada = await begun(site)
    addresses: dict[str, str] = {"unknown": f"/seat/{uuid.uuid4()}"}
    for turn in range(4):
        page = await ada.go_on()
        addresses.setdefault("item" if "attend" in question(page) else f"trial {min(turn, 1)}", ada.at)
        if len(addresses) == 4:
            break
        await ada.judge()
    await ada.browser.submit(f"/part/{end}", {"sure": "yes"})
    found = {what: await asked(ada, address) for what, address in addresses.items()}
    assert len({repr(answers) for answers in found.values()}) == 1, found


async def test_items_ask_after_each_step_where_the_trials_do(site: Site) -> None:
    opened, ada = await begun(site, elicit="each_step")
    walks: dict[str, list[Any]] = {}
    for _ in range(4):
        page = await ada.go_on()
        kind, walk = "item" if "attend" in question(page) else "trial", []
        address = ada.at
        while ada.at == address:
            paths = re.findall(r'name="0.path" value="([^"]+)"', page.text)
            walk.append((paths, skeleton(page.text), 'value="61"' in page.text))
            ada.seen.append(address)
            page = await ada.judge(["61", "39"], knows_story="true")
        walks.setdefault(kind, walk)
    assert len(walks["item"]) == len(walks["trial"]) == 3, "before the first step, and after both"
    for one, other in zip(walks["item"], walks["trial"], strict=True):
        assert one == other
    [step] = [step for step in await steps_of(opened.site.database) if step.item == "attend"]
    assert step.answers is not None
    assert (step.answers["p"], step.answers["beliefs"]) == ([0.61, 0.39], [[0.61, 0.39]] * 2)
    assert (step.passed, step.answers["knows_story"], step.draft) == (True, True, {})
