"""What a participant of a study reads before the first judgement is short: the ready texts, and the arena's words beside them."""

import re
from html import unescape
from typing import Any

from app.experiments.spec import load_yaml
from app.web.studies.form import READY
from tests.web.judge.test_feedback import visible
from tests.web.participation.study import Person, opened_study
from tests.web.world import Site

MOST = 250
HEAD = re.compile(r'<div class="parthead">.*?</div>', re.DOTALL)
"""Title, step and bar at the top of each page: read once."""


def words(html: str) -> int:
    """The words of a page's main part."""
    return len(visible(html).split())


def head_of(html: str) -> int:
    """The words of the head of a page, if it has one."""
    found = HEAD.search(html)
    return len(unescape(re.sub(r"<[^>]+>", " ", found[0])).split()) if found else 0


async def before_the_first_judgement(site: Site, file: dict[str, Any]) -> dict[str, str]:
    """The pages from the link to the first example, which is the first judgement, in their order."""
    opened = await opened_study(site, {**file, "experiments": ["for-study"], "trials": 2})
    person = Person(await site.browser())
    pages = {"link": (await person.get(opened.link())).text}
    sent = {"PROLIFIC_PID": "pid-ada", "STUDY_ID": "s1", "SESSION_ID": "session-of-ada"}
    answer = await person.send(opened.path, **sent)
    found = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
    assert found
    person.browser.csrf = found[1]
    pages["consent"] = answer.text
    pages["instructions"] = (await person.agree()).text
    pages["comprehension"] = (await person.go_on()).text
    right = {f"q{n}": str(one["right"]) for n, one in enumerate(file["pages"]["comprehension"]["questions"])}
    pages["practice"] = (await person.send("/part/comprehension", **right)).text
    await person.go_on()
    assert person.at.startswith("/seat/")
    return pages


async def test_a_participant_reads_at_most_250_words_before_the_first_judgement(site: Site) -> None:
    pages = await before_the_first_judgement(site, load_yaml(READY))
    assert [head_of(html) > 0 for html in pages.values()] == [False, True, True, True, True]
    heads = [head_of(html) for html in pages.values()]
    read = {name: words(html) for name, html in pages.items()}
    assert sum(read.values()) - sum(heads) + max(heads) <= MOST, read
