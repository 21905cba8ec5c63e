"""Browsers that run no script: every page can be read, and every form there is can be submitted."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
from playwright.async_api import Page, Request, expect

from app.records import people, studies
from app.services.passwords import hasher
from app.web.security.permissions import (
    ADMINS,
    ANYONE,
    DEBATERS,
    JUDGES,
    NEWCOMERS,
    PERMISSIONS,
    RESEARCHERS,
    SIGNED_IN,
    SITTERS,
)
from tests.browser.places import FORMS, VISITORS, form_of, found, places_of
from tests.browser.served import Stage, faults
from tests.exchange.archives import lines, written
from tests.factories import passage
from tests.servers import Script, ScriptedServer
from tests.studies.made_up import enrolled, study_file
from tests.web.world import Pattern, World

BY_SCRIPT = {"seat_draft", "prolific_events"}
"""What no form sends: a script, where the forms hold the same, or a recruiter."""
OF_STUDIES = {name for name in FORMS if name.startswith(("part_", "study_join"))}
"""What participants of studies send: see `test_participation`."""


@pytest.fixture
def pattern(crowded: Pattern) -> Pattern:
    """A world with something to see at every place."""
    return crowded


class Forms:
    """A page without script, the forms it has sent, and the faults of the pages that it came to."""

    def __init__(self, page: Page, copies: Page) -> None:
        self.page, self._copies = page, copies
        self.sent: set[str] = set()
        self.faults: list[str] = []
        page.context.on("request", self._note)

    def _note(self, request: Request) -> None:
        if request.method == "POST":
            self.sent.add(form_of("POST", urlsplit(request.url).path))

    async def open(self, path: str) -> None:
        """Go to a page."""
        await self.page.goto(path)

    async def press(self, name: str, *, at: int = 0) -> None:
        """Press the button of this name, or one of several, and look at the page to which it leads."""
        async with self.page.expect_navigation():
            await self.page.get_by_role("button", name=name).nth(at).click()
        self.faults += await self._faults()

    async def _faults(self) -> list[str]:
        """Faults of this page, found in a copy: no tool runs where no script does."""
        body = re.sub(r"<script.*?</script>", "", await self.page.content(), flags=re.DOTALL)
        path = f"/copy-of{urlsplit(self.page.url).path}"
        await self._copies.route(
            f"**{path}", lambda route: route.fulfill(body=body, content_type="text/html")
        )
        await self._copies.goto(path)
        return await faults(self._copies)

    def check(self, *roles: frozenset[str]) -> None:
        """Every form of these roles was sent, and no page had a fault."""
        wanted = {name for name in FORMS - BY_SCRIPT - OF_STUDIES if PERMISSIONS[name] in roles}
        assert wanted <= self.sent, wanted - self.sent
        assert not self.faults, "\n".join(self.faults)


@pytest.fixture
async def forms(stage: Stage) -> Forms:
    """A browser without script and with nobody signed in."""
    return Forms(await stage.newcomer(script=False), await stage.newcomer())


@pytest.mark.parametrize("who", VISITORS)
async def test_every_page_can_be_read_without_script(stage: Stage, who: str) -> None:
    ids = await found(stage.world)
    plain, scripted = await stage.signed_in(who, script=False), await stage.signed_in(who)
    for place in places_of(who):
        read = []
        for page in (plain, scripted):
            await page.goto(place.format(**ids))
            texts = await page.locator("main :is(h1, h2, h3, th, td, dt, dd, summary)").all_inner_texts()
            # Some figures change from one look to the next.
            read.append([re.sub(r"[\d.,]+", "0", one) for one in texts])
        assert read[0] == read[1], place
        hidden = plain.locator("main button:not([type=button])").filter(visible=False)
        closed = plain.locator("main details:not([open]) button:not([type=button])")
        assert await hidden.count() == await closed.count(), place


async def test_people_come_and_go_without_script(stage: Stage, forms: Forms) -> None:
    ids = await found(stage.world)
    async with stage.world.site.database.session.begin() as db:
        secret = hasher.hash("a long password")
        await people.add_account(db, "ruth@arena.test", "Ruth", "researcher", secret)
    page = forms.page
    await forms.open("/sign-in")
    await page.get_by_label("Email").fill("ruth@arena.test")
    await page.get_by_label("Password").fill("a wrong password")
    with stage.watch.allowing("status of 403"):
        await forms.press("Sign in")
    await expect(page.get_by_label("Email")).to_have_value("ruth@arena.test")
    await page.get_by_label("Password").fill("a long password")
    await forms.press("Sign in")
    await forms.press("Sign out")

    await forms.open(ids["invite"])
    await page.get_by_label("Your name").fill("Ida")
    await forms.press("Go on")
    await expect(page.get_by_role("heading", name="Welcome, Ida")).to_be_visible()
    forms.check(ANYONE, SIGNED_IN)


async def test_a_judge_judges_without_script(stage: Stage, forms: Forms) -> None:
    ids = await found(stage.world)
    page = forms.page
    await forms.open(ids["invite"])
    await page.get_by_label("Your name").fill("Ida")
    await forms.press("Go on")
    await forms.open("/judge")
    await forms.press("Deutsch")
    await expect(page.get_by_role("heading", name="So urteilen Sie")).to_be_visible()
    await forms.press("English")
    await forms.press("go on")
    await forms.press("Next trial")
    await page.get_by_role("link", name="Give this trial back").click()
    await forms.press("Give it back")
    await forms.press("Next trial")

    await _say(page, "70", "40")
    with stage.watch.allowing("status of 422"):
        await forms.press("Submit")
    await expect(page.get_by_role("alert")).to_contain_text("add up to 110")
    await expect(page.locator("input[name='0.p']").first).to_have_value("70")
    while await page.locator("[data-submit]").count():
        await _say(page, "70", "30")
        await forms.press("Submit")
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    await _delete_own_data(forms)
    forms.check(JUDGES, SITTERS, NEWCOMERS)


async def _delete_own_data(forms: Forms) -> None:
    page = forms.page
    await page.get_by_role("link", name="Privacy").click()
    await page.get_by_text("Delete my data", exact=True).first.click()
    await page.get_by_label("Yes, delete my data").check()
    await forms.press("Delete my data")
    await expect(page.get_by_role("heading", name="Your data are deleted")).to_be_visible()


async def test_a_debater_argues_without_script(stage: Stage, forms: Forms) -> None:
    page = forms.page
    await stage.sign_in(page, await stage.world.site.hire("Dora", "debater"))
    await forms.open("/talk/instructions")
    await forms.press("Back to the talks")
    await forms.press("Next talk")
    await page.get_by_role("link", name="Give this seat back").click()
    await forms.press("Give it back")
    await forms.press("Next talk")
    await page.locator("textarea").fill("See <quote>the moon was made of cheese</quote>.")
    with stage.watch.allowing("status of 422"):
        await forms.press("Send")
    await expect(page.get_by_role("alert")).to_contain_text("it is not in the passage")
    await forms.press("Send it as it is")
    await expect(page.get_by_role("heading", name="Your speech · round 2 of 2")).to_be_visible()
    await _delete_own_data(forms)
    forms.check(DEBATERS, SITTERS)


async def _say(page: Page, *shares: str) -> None:
    """Fill in a belief."""
    for at, share in enumerate(shares):
        await page.locator("input[name='0.p']").nth(at).fill(share)
    await page.locator("textarea").fill("What the quotes say.")


async def test_a_researcher_does_everything_without_script(
    stage: Stage, forms: Forms, tmp_path: Path
) -> None:
    page, ids = forms.page, await found(stage.world)
    await stage.sign_in(page, stage.world.site.cast["alice"])
    await _write_and_start(forms)
    await _judge_again(forms)
    await _make_and_steer_a_study(forms)
    await _steer(forms)
    await _export(page, tmp_path)
    await _write_tags(forms)
    await _pay_people(stage, forms)
    await _bring_in_an_archive(forms, tmp_path)
    with stage.watch.allowing("status of 422"):
        await _bring_in_tasks(forms)
    await _rename_and_delete(stage, forms)
    await _look_after_people(forms, stage.world)
    await _make_and_revoke_a_token(forms)
    await _add_and_try_a_model(forms)
    await _watch_a_studys_people(forms, ids)
    await forms.open("/account/tokens")
    await forms.press("Sign out everywhere")
    forms.check(RESEARCHERS)


async def _watch_a_studys_people(forms: Forms, ids: dict[str, str]) -> None:
    page = forms.page
    await forms.open(f"/studies/watched/people/{ids['at_work']}")
    await forms.press("Give back what they hold")
    await page.get_by_label("Why this person is excluded").fill("They wrote that they guessed.")
    await forms.press("Exclude")
    await expect(page.get_by_text("They wrote that they guessed.")).to_be_visible()
    await page.get_by_label("Why the exclusion is taken back").fill("It was another person.")
    await forms.press("Take the exclusion back")
    await expect(page.get_by_text("The figures count this person.")).to_be_visible()


async def _write_and_start(forms: Forms) -> None:
    page = forms.page
    await forms.open("/experiments/new?like=paused")
    await page.get_by_label("Name", exact=True).fill("mine")
    await forms.press("Save as draft")
    await forms.open("/drafts")
    await page.get_by_role("button", name="Copy mine").click()
    await forms.press("Save as draft")
    await forms.open("/drafts")
    await forms.press("Delete mine-copy")
    await page.get_by_role("link", name="mine", exact=True).click()
    await forms.press("Start")
    await expect(page.get_by_role("heading", level=1)).to_have_text("mine")


async def _judge_again(forms: Forms) -> None:
    page = forms.page
    await forms.open("/experiments/for-people/judge")
    await page.get_by_label("Name of the round").fill("more")
    await page.locator("[name='people.humans']").fill("1")
    await forms.press("Start judging")


async def _steer(forms: Forms) -> None:
    page = forms.page
    await forms.open("/experiments/paused")
    await forms.press("Retry what failed")
    await forms.open("/experiments/for-people")
    await forms.press("Pause")
    await expect(page.locator("#progress .state")).to_have_text("paused")
    await page.get_by_label("Calls at most").fill("1000")
    await forms.press("Change the cap")
    await forms.press("Resume")
    await page.get_by_text("Cancel…").click()
    await forms.press("Cancel it for good")
    await expect(page.locator("#progress .state")).to_have_text("cancelled")


async def _pay_people(stage: Stage, forms: Forms) -> None:
    page = forms.page
    await forms.open("/studies/paid/payments")
    await forms.press("Approve all who completed")
    await page.get_by_text("Reject…").first.click()
    await page.get_by_label("Reason").first.fill("Nothing was done.")
    await forms.press("Reject person-")
    await forms.press("Record £")
    await expect(page.get_by_role("status")).to_have_text("Recorded 2 payments.")
    await forms.press("Mark all as paid")
    csv = {"name": "paid.csv", "mimeType": "text/csv", "buffer": b"part,paid\nx,yes\n"}
    await page.get_by_label("The file that came back").set_input_files(files=csv)
    with stage.watch.allowing("status of 422"):
        await forms.press("Bring it back")
    await expect(page.get_by_text("there is no part x in this study")).to_be_visible()
    await forms.open("/studies/at-prolific/payments")
    with stage.watch.allowing("status of 409"):
        await forms.press("Look at Prolific now")
        await expect(page.get_by_role("alert")).to_contain_text("ARENA_KEY_NOT_SET is not set")
        await page.get_by_text("Publish at Prolific").click()
        await page.get_by_label("People may be recruited and paid").check()
        await forms.press("Publish")
    await expect(page.get_by_role("alert")).to_contain_text("Open the study here first")


async def _write_tags(forms: Forms) -> None:
    await forms.page.locator("input[name=tags]").fill("first draft")
    await forms.press("Save tags and note")
    await expect(forms.page.locator("input[name=tags]")).to_have_value("draft first")


async def _bring_in_an_archive(forms: Forms, folder: Path) -> None:
    await forms.page.goto("/archives")
    await forms.page.locator("input[name=file]").set_input_files(written(folder / "theirs.jsonl", *lines()))
    await forms.press("Import")
    await expect(forms.page.get_by_text("theirs").first).to_be_visible()


async def _rename_and_delete(stage: Stage, forms: Forms) -> None:
    """What was brought in before: an experiment, and task sets."""
    page = forms.page
    for path, name in (("/experiments/theirs", "ours"), ("/tasks/sample", "shipped")):
        await forms.open(path)
        await page.get_by_label("Another name").fill("no name!")
        with stage.watch.allowing("status of 422"):
            await forms.press("Rename")
        await expect(page.get_by_role("alert")).to_contain_text("Write the new name with letters")
        await page.get_by_label("Another name").fill(name)
        await forms.press("Rename")
        await expect(page.get_by_role("heading", level=1)).to_contain_text(name)
        await page.get_by_role("link", name="Delete this").click()
        await forms.press("Delete it for good")
        await expect(page.get_by_role("main").get_by_text(name, exact=True)).to_have_count(0)


async def _export(page: Page, folder: Path) -> None:
    await page.locator("select[name=what]").select_option("verdicts")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export").click()
    file = folder / "verdicts.jsonl"
    await (await download.value).save_as(file)
    assert file.read_text().count("\n") > 0


async def _bring_in_tasks(forms: Forms) -> None:
    page = forms.page
    await forms.open("/tasks")
    file = {"name": "more.jsonl", "mimeType": "application/jsonl", "buffer": b"no task at all"}
    await page.get_by_label("File", exact=True).set_input_files(files=file)
    await forms.press("Bring it in")
    file["buffer"] = orjson.dumps(passage("Dorade"))
    await page.get_by_label("File", exact=True).set_input_files(files=file)
    await forms.press("Bring it in")
    await expect(page.get_by_text("2 questions were added")).to_be_visible()
    await forms.open("/tasks")
    await forms.press("Bring in the sample")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("sample")


async def _make_and_steer_a_study(forms: Forms) -> None:
    page = forms.page
    await forms.open("/studies/new")
    await page.get_by_label("Name", exact=True).fill("mine")
    await page.get_by_label("Title").fill("Which answer is right?")
    await page.get_by_label("for-people").check()
    await page.get_by_label("Trials for each person").fill("1")
    await page.get_by_label("People wanted").fill("1")
    await forms.press("Save as draft")
    await page.get_by_role("button", name="Change", exact=True).click()
    await forms.press("Save as draft")
    await page.get_by_role("link", name="Edit the text of consent").click()
    await page.get_by_label("Text in Markdown").fill("**Agree?**")
    await forms.press("Preview")
    await expect(page.locator("#preview")).to_contain_text("Agree?")
    await forms.press("Save")
    await forms.open("/studies/draft")
    await forms.press("Delete the draft")
    await forms.open("/studies/running")
    await forms.press("Pause")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("paused")


async def _look_after_people(forms: Forms, world: World) -> None:
    page = forms.page
    await forms.open("/people")
    await page.get_by_label("Label").fill("Ada")
    await forms.press("Make the link")
    link = urlsplit(await page.get_by_label("Link", exact=True).input_value()).path
    ada = await page.context.browser.new_page()  # type: ignore[union-attr]
    origin = urlsplit(page.url)
    await ada.goto(f"{origin.scheme}://{origin.netloc}{link}")
    await ada.get_by_label("Your name").fill("Ada")
    await ada.get_by_role("button", name="Go on").click()
    await ada.close()

    await forms.open("/people/invites")
    await forms.press("Withdraw")
    await forms.open("/people")
    await forms.press("New link for Ada")
    await forms.open("/people")
    await forms.press("Close account of Ada")
    await forms.press("Open again the account of Ada")
    async with world.site.database.session.begin() as db:
        study = await studies.add(db, "hers", study_file("for-people"), {}, world.site.cast["alice"].id)
        part = await enrolled(db, study, "Worker")
    for place in ("/people", f"/studies/hers/people/{part}/data"):
        await forms.open(place)
        if place == "/people":
            await page.get_by_role("link", name="Data of Ada").click()
        await page.get_by_text("Delete their data", exact=True).first.click()
        await page.get_by_label("Yes, delete them").check()
        await forms.press("Delete their data")


async def _make_and_revoke_a_token(forms: Forms) -> None:
    await forms.open("/account/tokens")
    await forms.page.get_by_label("Name").fill("my laptop")
    await forms.press("Make")
    await forms.open("/account/tokens")
    await forms.press("Revoke my laptop")


async def _add_and_try_a_model(forms: Forms) -> None:
    page = forms.page
    await forms.open("/participants/new")
    await page.get_by_label("Name", exact=True).fill("warmer")
    await page.get_by_label("Model", exact=True).fill("small")
    await forms.press("Add")
    await expect(page.get_by_role("heading", level=1)).to_have_text("warmer")
    await forms.open("/participants")
    await forms.press("Try lexical")


async def test_an_admin_does_everything_without_script(stage: Stage, forms: Forms) -> None:
    page = forms.page
    await stage.sign_in(page, stage.world.site.cast["bob"])
    role = page.get_by_label("Role of Debater", exact=True)
    await forms.open("/people")
    while await role.count() == 0:
        await page.get_by_role("link", name=re.compile("^Next")).click()
    await role.select_option("judge")
    await forms.press("Change the role of Debater")
    async with ScriptedServer(Script()) as server:
        await forms.open("/endpoints")
        await page.get_by_label("Name", exact=True).fill("local")
        await page.get_by_label("Address").fill(server.base_url)
        await forms.press("Add")
        await forms.press("Try local")
    forms.check(ADMINS)
