"""A participant's way from the link to the code, page by page, and every end of it."""

import pytest

from models import StudyStep
from tests.web.participation.study import (
    RIGHT,
    WRONG,
    enrolments_of,
    hours_pass,
    joined,
    opened_study,
    steps_of,
    study_file,
)
from tests.web.world import Site


async def test_a_person_goes_from_the_link_to_the_code(site: Site) -> None:
    opened = await opened_study(site)
    offer = await (await site.browser()).get(opened.link())
    for promised in ("Who is right?", "20 min", "£3.00", "<dd>4</dd>", "pid-ada"):
        assert promised in offer.text
    ada = await joined(opened)
    assert ada.at == "/part/consent"
    assert "You take part <strong>freely</strong>" in (await ada.get("/part")).text
    await ada.agree()
    assert ada.at == "/part/instructions"
    await ada.go_on()
    assert ada.at == "/part/comprehension"
    await ada.send("/part/comprehension", q0="1", q1="0")
    assert ada.at == "/part/practice"
    await ada.practise()
    asked = await ada.all_trials()
    assert len(asked) == 4
    assert sum("ferry" in question for question in asked) == 2
    assert ada.at == "/part/questionnaire"
