"""The pages on privacy speak the language of the person: all words of theirs are translated."""

from sqlalchemy import update

from models import Enrolment
from tests.web.privacy.people_in_studies import Enrolled, enrolled, study_on
from tests.web.world import Site, World


async def in_german(site: Site, who: Enrolled) -> None:
    async with site.database.session.begin() as db:
        part = update(Enrolment).where(Enrolment.id == who.enrolment.id)
        await db.execute(part.values(language="de"))


async def test_a_person_who_speaks_german_reads_what_is_kept_in_german(world: World) -> None:
    ada = await enrolled(await study_on(world))
    english = (await ada.browser.get("/part/privacy")).text
    await in_german(world.site, ada)
    german = (await ada.browser.get("/part/privacy")).text
    assert '<html lang="de">' in german
    for said in (
        "Datenschutz",
        "Bis 30 Tage nach dem Ende der Studie",
        "Ohne Ihre Worte behalten",
        "Meine Daten löschen",
        "Das kommt, wenn die Studie beendet ist",
    ):
        assert said in german, said
    for said in ("Why:", "Your", "Until", "Kept"):
        assert said in english
        assert said not in german, said
    unsure = await ada.browser.submit("/privacy/delete")
    assert "Kreuzen Sie das Kästchen an" in unsure.text
    gone = await ada.browser.submit("/privacy/delete", {"sure": "yes"})
    assert "Ihre Daten sind gelöscht" in gone.text


async def test_a_visitor_reads_it_in_the_language_of_the_browser(site: Site) -> None:
    browser = await site.browser()
    page = await browser.get("/privacy", headers={"accept-language": "de-AT"})
    assert "Solange die Arena die Studie aufbewahrt." in page.text
    assert "As long as the arena" in (await browser.get("/privacy")).text


async def test_researchers_read_it_in_english(site: Site) -> None:
    alice = await site.browser("alice")
    assert "What is kept" in (await alice.get("/privacy", headers={"accept-language": "de"})).text
