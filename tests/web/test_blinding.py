"""What a judge gets is the same, byte for byte, whatever is true, whoever wrote it and whenever: worlds and their twins.

A judge reads everything that can be reached, in a world and in copies of it in each of which one kind of secret has been
exchanged in the database. `twins.heard` says what is made the same before comparing: two things that are drawn anew.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from app.templating import STATIC
from app.web.security.permissions import PERMISSIONS
from tests.database import Server
from tests.web.noninterference import TOKENS, TWINS, Heard, Judge, Original, judge_in, original

pytestmark = pytest.mark.asyncio(loop_scope="module")
FILES = sorted(f"/static/{path.relative_to(STATIC)}" for path in STATIC.rglob("*") if path.is_file())


@dataclass(frozen=True, slots=True)
class Read:
    """What a judge got in one world."""

    answers: list[Heard]
    routes: set[str]
    asked: set[str]
    taken: list[str]


async def read(world: Original, exchange: list[str], *, everything: bool) -> Read:
    """Read all there is; or, where not everything, all there is to judge."""
    async with judge_in(world, exchange) as judge:
        if everything:
            await _look(judge)
        taken = await judge.judge_all()
        await judge.try_every_seat()
        if everything:
            await judge.come_and_go()
        return Read(judge.answers, judge.routes, judge.asked, taken)


async def _look(judge: Judge) -> None:
    await judge.look_around()
    await judge.try_every_seat()
    await judge.read_files(*FILES)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def silent(postgres: Server) -> AsyncIterator[Original]:
    """A world in which nobody is told anything afterwards."""
    async with original(postgres, "none") as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def telling(postgres: Server) -> AsyncIterator[Original]:
    """A world in which judges are told the truth as soon as they have given their last verdict on a text."""
    async with original(postgres, "score") as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain(silent: Original) -> Read:
    """What a judge gets in the world as it is."""
    return await read(silent, [], everything=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(telling: Original) -> Read:
    """The same, where judges are told."""
    return await read(telling, [], everything=False)


def differing(one: Read, other: Read) -> list[str]:
    """Labels of the answers that are not the same."""
    assert [item.label for item in one.answers] == [item.label for item in other.answers]
    return [a.label for a, b in zip(one.answers, other.answers, strict=True) if a != b]


# ── two worlds ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("secret", TWINS)
async def test_a_judge_gets_the_same_bytes_when_a_secret_is_exchanged(
    silent: Original, plain: Read, secret: str
) -> None:
    twin = await read(silent, TWINS[secret], everything=True)
    assert twin.taken == plain.taken, "also the next trial is the same"
    assert differing(plain, twin) == []


@pytest.mark.parametrize("secret", TWINS)
async def test_who_is_told_the_truth_learns_it_where_it_is_told_and_nowhere_else(
    telling: Original, told: Read, secret: str
) -> None:
    twin = await read(telling, TWINS[secret], everything=False)
    assert twin.taken == told.taken, "whoever knows the truth of one trial learns nothing of the next"
    told_of = set(differing(told, twin))
    # Why an answer is right is shown by quotes of the side that argued for it.
    assert bool(told_of) == (secret in ("truth", "sides"))
    telling_pages = (b"Your verdict is stored", b"<title>My calibration")
    tells = {item.label for item in told.answers if any(page in item.body for page in telling_pages)}
    assert told_of <= tells


async def test_the_judge_asks_every_route_and_gets_what_judges_may_have(plain: Read) -> None:
    """A route that a judge may use and this judge never gets anything from would make the comparison blind."""
    assert plain.asked >= set(PERMISSIONS)
    wanted = {name for name, roles in PERMISSIONS.items() if "judge" in roles}
    # Nobody knows a password; what judges get in the seats of talks is compared by `test_blinding_seats`, and what
    # participants of a study get by `test_blinding_parts`. Events are signed by a recruiter's secret; figures for
    # operators are refused, and readiness is that of the process, which has no worker here.
    refused = {"sign_in", "study_join", "study_join_form", "prolific_events", "metrics", "readyz"}
    assert wanted - plain.routes <= refused


async def test_the_judge_reads_every_shape_of_transcript(silent: Original, plain: Read) -> None:
    pages = [item.body.decode() for item in plain.answers if item.label.startswith("trial:")]
    assert len(plain.taken) >= 12
    for sign in (
        "Consultant</h3>",
        "Debater A</h3>",
        "Quoter A</h3>",
        "No seat speaks in this trial",
        "The text",
        "Read this first: arguments that misled",
        "Prover</h3>",
    ):
        assert any(sign in page for page in pages), sign
    assert any("No seat has spoken yet" in page for page in pages), "before the first step"


# ── every secret, looked for ────────────────────────────────────────────────────────────────────────────────────


async def test_nothing_a_judge_gets_holds_a_secret(silent: Original, plain: Read) -> None:
    found = {
        (secret, item.label)
        for item in plain.answers
        for secret in silent.secrets
        if secret.lower() in _all_of(item) and not _asked_for(secret, item)
    }
    assert found == set()


def _all_of(item: Heard) -> str:
    headers = " ".join(f"{key}: {value}" for key, value in item.headers)
    return f"{headers} {item.body.decode(errors='replace')}".lower()


def _asked_for(secret: str, item: Heard) -> bool:
    """Whether the judge had to know it to ask."""
    return secret in item.label


@pytest.mark.parametrize("policy", ["plain", "told"])
def test_the_passage_is_shown_in_the_arm_that_grants_it_and_nowhere_else(
    request: pytest.FixtureRequest, policy: str
) -> None:
    answers = request.getfixturevalue(policy).answers
    holding = {item.label for item in answers if b"-Open sacks" in item.body or _holds_open(item)}
    trials = {label.split()[2].removesuffix("/return") for label in holding}
    assert len(trials) == 1, "the one trial whose arm shows its text"
    # Those who learn why an answer is right read the words of the text that show it.
    after = {"afterwards"} if policy == "told" else set()
    assert {label.partition(":")[0] for label in holding} <= {"trial", "fragment", "mistake", *after}


def _holds_open(item: Heard) -> bool:
    return any(f"{token}-Open".encode() in item.body for token in TOKENS)
