"""Every page for every role, at both widths: nothing that axe-core finds, no complaint, nothing wider than the window."""

import pytest

from tests.browser.places import FILES, PAGES, PLACES, VISITORS, found, places_of
from tests.browser.served import Stage, faults
from tests.web.world import Pattern


@pytest.fixture
def pattern(crowded: Pattern) -> Pattern:
    """A world with something to see at every place."""
    return crowded


def test_every_page_there_is_is_looked_at() -> None:
    assert set(PLACES) == PAGES - FILES


@pytest.mark.parametrize("who", VISITORS)
async def test_no_page_has_a_fault_for_anybody_who_may_see_it(stage: Stage, who: str) -> None:
    ids = await found(stage.world)
    page = await stage.signed_in(who)
    wrong = []
    for place in places_of(who):
        answer = await page.goto(place.format(**ids))
        assert answer is not None
        assert answer.status == 200, place
        wrong += await faults(page)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("who", "place"), [("nobody", "/nowhere"), ("judge", "/experiments")])
async def test_a_refusal_is_a_page_without_a_fault_too(stage: Stage, who: str, place: str) -> None:
    page = await stage.signed_in(who)
    with stage.watch.allowing("status of 40"):
        await page.goto(place)
    assert await page.get_by_role("heading", level=1).count() == 1
    assert await faults(page) == []
