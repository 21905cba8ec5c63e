"""The client of Prolific's API, against a fake Prolific: what it sends, what it tries again, and what it never does twice."""

from collections import deque

import pytest

from app.studies import prolific as api
from app.studies.prolific import Declined, NotSent, Prolific, ProlificError, Unclear
from tests.prolific import TOKEN, FakeProlific, signed


def client(server: FakeProlific, *, token: str = TOKEN, waits: tuple[float, ...] = (0, 0)) -> Prolific:
    """A client of the fake that does not wait."""
    return Prolific(token, server.url, waits=waits)


async def test_every_page_of_a_list_is_read_from_the_host_that_was_named() -> None:
    async with FakeProlific() as server, client(server) as prolific:
        for number in range(7):
            server.add(f"s{number}", f"p{number}")
        found = await prolific.submissions("study1")
    assert [one.id for one in found] == [f"s{number}" for number in range(7)]
    assert found[0] == api.Received("s0", "p0", "AWAITING REVIEW", "")
    assert {call.token for call in server.calls} == {f"Token {TOKEN}"}


@pytest.mark.parametrize("fault", ["429", "429 after 0", "500", "drop", "drop after"])
async def test_what_does_no_harm_is_asked_again(fault: str) -> None:
    async with FakeProlific(deque([fault, fault])) as server, client(server) as prolific:
        server.add("s1", "p1")
        await prolific.approve("s1")
        assert server.submissions["s1"]["status"] == "APPROVED"
        assert len(server.calls) == 3
        server.faults.extend([fault] * 3)
        with pytest.raises(ProlificError):
            await prolific.approve("s1")


@pytest.mark.parametrize("fault", ["500", "drop", "drop after"])
async def test_a_payment_whose_outcome_is_unknown_is_not_sent_again(fault: str) -> None:
    async with FakeProlific() as server, client(server) as prolific:
        server.add("s1", "p1")
        made = await prolific.set_up_bonuses("study1", {"s1": 125})
        assert made.minor == 125
        assert server.paid == []
        server.faults.append(fault)
        with pytest.raises(Unclear, match="not sent again"):
            await prolific.pay_bonuses(made.id)
        assert len(server.asked("POST", "/pay/")) == 1
        assert server.paid == ([("s1", 125)] if fault == "drop after" else [])


async def test_a_payment_that_met_a_limit_or_no_server_was_not_made() -> None:
    async with FakeProlific(deque(["429"])) as server, client(server) as prolific:
        server.bonuses["b1"] = {}
        await prolific.pay_bonuses("b1")
        assert len(server.calls) == 2
    async with client(server) as prolific:
        with pytest.raises(NotSent, match="cannot be reached"):
            await prolific.pay_bonuses("b1")


async def test_a_study_is_not_made_twice() -> None:
    async with FakeProlific(deque(["drop after"])) as server, client(server) as prolific:
        sent = {"name": "n", "description": "d", "reward": 1, "total_available_places": 1}
        with pytest.raises(Unclear):
            await prolific.create_study(sent)
        assert len(server.studies) == 1


async def test_a_refusal_says_why_and_never_holds_the_token() -> None:
    async with FakeProlific() as server:
        async with client(server, token="wrong") as prolific:
            with pytest.raises(Declined, match=r"\(401\): Authentication credentials"):
                await prolific.study("study1")
        server.faults.extend(["500"] * 3)
        async with client(server) as prolific:
            with pytest.raises(Declined) as caught:
                await prolific.study("study1")
            assert TOKEN not in str(caught.value)
            assert TOKEN not in repr(prolific)
            assert "Something broke" in str(caught.value)


@pytest.mark.parametrize("claimed", ["../../users/me", "a/b", "a b", "", "a?x=1", "é"])
async def test_an_id_that_is_no_id_reaches_no_address(claimed: str) -> None:
    async with FakeProlific() as server, client(server) as prolific:
        with pytest.raises(ProlificError, match="no id of Prolific's"):
            await prolific.submission(claimed)
        with pytest.raises(ProlificError):
            await prolific.set_up_bonuses("study1", {claimed: 1})
        assert server.calls == []


async def test_what_is_not_allowed_is_not_asked() -> None:
    async def never(url: str) -> None:
        raise PermissionError(url)

    async with FakeProlific() as server:
        prolific = Prolific(TOKEN, server.url, never)
        with pytest.raises(PermissionError, match="/api/v1/studies/study1/"):
            await prolific.study("study1")
        await prolific.close()
        assert server.calls == []


async def test_rejecting_returning_publishing_and_subscribing() -> None:
    message = "You left every belief at 50 and gave the same two letters as a reason in each of the twelve trials of this study."
    async with FakeProlific() as server, client(server) as prolific:
        server.add_study()
        server.add("s1", "p1")
        with pytest.raises(Declined, match="100 characters"):
            await prolific.reject("s1", "LOW_EFFORT", "Too short.")
        await prolific.request_return("s1", "Withdrew consent")
        await prolific.reject("s1", "LOW_EFFORT", message)
        assert server.messages == [("s1", "Withdrew consent"), ("s1", message)]
        await prolific.publish("study1")
        with pytest.raises(Declined, match="cannot be published"):
            await prolific.publish("study1")
        [workspace] = await prolific.workspaces()
        made = await prolific.subscribe(workspace, "submission.status.change", "https://arena.test/x")
        [there] = await prolific.subscriptions()
        assert (there.id, there.enabled) == (made.id, True)


# ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_is_signed_over_its_time_and_its_body() -> None:
    body, headers = signed({"event_type": "x", "resource_id": "y"}, secret="s", at=1000)
    stamp, signature = headers["X-Prolific-Request-Timestamp"], headers["X-Prolific-Request-Signature"]
    assert api.is_signed("s", stamp, body, signature, now=1000)
    assert api.is_signed("s", stamp, body, signature, now=1000 + api.TOLERANCE)
    assert not api.is_signed("s", stamp, body, signature, now=1001 + api.TOLERANCE)
    assert not api.is_signed("s", stamp, body, signature, now=999 - api.TOLERANCE)
    assert not api.is_signed("t", stamp, body, signature, now=1000)
    assert not api.is_signed("s", "1001", body, signature, now=1000)
    assert not api.is_signed("s", stamp, body + b" ", signature, now=1000)
    assert not api.is_signed("s", stamp, body, "", now=1000)
    assert not api.is_signed("s", stamp, body, "é", now=1000)
    empty = api.signed("", stamp, body)
    assert not api.is_signed("", stamp, body, empty, now=1000), "no secret signs nothing"
    for odd in ("", "nan", "-1", "1e3", "１０００"):
        assert not api.is_signed("s", odd, body, api.signed("s", odd, body), now=1000)


def test_what_is_no_event_is_none() -> None:
    for body in (b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"event_type": "x"}'):
        assert api.read_event(body) is None
    found = api.read_event(b'{"event_type": "x", "resource_id": 5, "status": null, "participant_id": "p"}')
    assert found == api.Event("x", "5", "", "p")


def test_times_come_as_seconds_or_as_iso() -> None:
    assert api.moment("0") == api.moment("1970-01-01T00:00:00+00:00")
    for odd in ("", "soon", "1970-01-01", "9" * 30):
        assert api.moment(odd) is None
