"""Where a served arena connects to: the allow-list, and clients that ask it at every request."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web

from app.experiments.check import Findings
from app.participants.base import Call, EndpointSettings, ParticipantError, Segment
from app.participants.outages import Patience
from app.services.egress import (
    AllowList,
    BadPattern,
    Blocked,
    GuardedClient,
    GuardedParticipantFactory,
    may_name_key,
)
from app.settings import Settings
from tests.servers import Script, ScriptedServer

LOCAL = ("127.0.0.0/8", "::1")
ONCE = Patience(attempts=1)


class Names:
    """A resolver whose answers a test sets; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = [list(answer) for answer in answers]
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def allowed(url: str, *entries: str, names: Names | None = None) -> bool:
    """Whether an address may be connected to under a list."""
    listed = AllowList(entries, names) if names else AllowList(entries)
    try:
        await listed.check(url)
    except Blocked:
        return False
    return True


def call() -> Call:
    """A request for a few words."""
    return Call(uuid4(), "try", "answer", "big", "scripted", [Segment("user", "Reply.")], {"max_tokens": 5})


def client(url: str, listed: AllowList, key: str | None = None) -> GuardedClient:
    """A client that tries once."""
    return GuardedClient("big", EndpointSettings(base_url=url, api_key_env=key), listed, patience=ONCE)


# ── the list ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_this_machine_is_allowed_unless_told_otherwise_and_nothing_else() -> None:
    default = Settings().allowed_hosts
    for url in ("http://127.0.0.1:8001/v1", "http://127.8.9.10/v1", "https://[::1]:8001/v1"):
        assert await allowed(url, *default), url
    for url in ("http://8.8.8.8/v1", "http://10.0.0.1/v1", "http://169.254.169.254/v1", "http://0.0.0.0/v1"):
        assert not await allowed(url, *default), url


async def test_a_network_allows_what_it_holds_and_a_port_only_itself() -> None:
    assert await allowed("http://10.1.2.3:9000/v1", "10.0.0.0/8")
    assert not await allowed("http://11.1.2.3:9000/v1", "10.0.0.0/8")
    assert await allowed("http://10.1.2.3:9000/v1", "10.1.2.3:9000")
    assert not await allowed("http://10.1.2.3:9001/v1", "10.1.2.3:9000")
    assert not await allowed("http://10.1.2.3:0/v1", "10.1.2.3:80")
    assert await allowed("https://[fd00::7]/v1", "[fd00::7]:443")
    assert not await allowed("http://[fd00::7]/v1", "[fd00::7]:443")


async def test_a_name_vouches_for_public_addresses_only() -> None:
    url = "https://api.example.org/v1"
    assert await allowed(url, "api.example.org", names=Names(["93.184.216.34"]))
    assert await allowed("https://API.example.org./v1", "api.example.org", names=Names(["93.184.216.34"]))
    assert not await allowed(url, "example.org", names=Names(["93.184.216.34"]))
    assert not await allowed(
        "https://api.example.org.evil.test/v1", "api.example.org", names=Names(["9.9.9.9"])
    )
    inside = (
        "10.0.0.7",
        "127.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "fd00::1",
        "fe80::1",
    )
    for address in (*inside, "fec0::1", "224.0.0.1", "ff0e::1"):
        assert not await allowed(url, "api.example.org", names=Names([address])), address


async def test_every_address_of_a_name_must_be_allowed() -> None:
    mixed = Names(["93.184.216.34", "10.0.0.7"])
    assert not await allowed("https://api.example.org/v1", "api.example.org", names=mixed)
    assert await allowed("https://api.example.org/v1", "api.example.org", "10.0.0.0/24", names=mixed)


async def test_an_ipv4_address_inside_an_ipv6_one_is_seen() -> None:
    assert await allowed("http://[::ffff:127.0.0.1]:8001/v1", *LOCAL), "the same machine, written otherwise"
    name = "https://api.example.org/v1"
    wrapped = {
        "mapped": "::ffff:10.0.0.7",
        "compatible": "::10.0.0.7",
        "NAT64": "64:ff9b::10.0.0.7",
        "local NAT64": "64:ff9b:1::10.0.0.7",
        "6to4": "2002:a00:7::",
        "Teredo": "2001:0:1::f5ff:fff8",
    }
    for kind, address in wrapped.items():
        assert not await allowed(name, "api.example.org", names=Names([address])), kind
    assert await allowed(name, "api.example.org", names=Names(["64:ff9b::9.9.9.9"]))
    assert await allowed(name, "9.9.9.9", names=Names(["64:ff9b::9.9.9.9"]))


@pytest.mark.parametrize("address", ["64:ff9b::7f00:1", "2002:7f00:1::", "::7f00:1"])
async def test_the_loopback_behind_a_relay_is_not_this_machine(address: str) -> None:
    assert not await allowed(f"http://[{address}]:8001/v1", *LOCAL)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "017700000001"])
async def test_odd_ways_to_write_an_address_are_resolved_before_they_are_judged(host: str) -> None:
    assert not await allowed(f"http://{host}:8001/v1", "10.0.0.0/8", "api.example.org")
    assert await allowed(f"http://{host}:8001/v1", *LOCAL), "it means this machine"


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@127.0.0.1/v1",
        "http://user@127.0.0.1/v1",
        "ftp://127.0.0.1/v1",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http:///v1",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1:port/v1",
        "//127.0.0.1/v1",
        "",
    ],
)
async def test_what_is_no_plain_address_of_a_server_is_refused(url: str) -> None:
    assert not await allowed(url, *LOCAL)


async def test_a_name_without_an_address_is_refused_in_a_sentence() -> None:
    with pytest.raises(Blocked, match="has no address"):
        await AllowList(["nowhere.invalid"], Names([])).check("http://nowhere.invalid/v1")
    with pytest.raises(Blocked, match="has no address"):
        await AllowList(LOCAL).check(f"http://{'a' * 70}.invalid/v1")


@pytest.mark.parametrize(
    "entry", ["10.0.0.0/33", "1.2.3", "http://a.test", "a b", "*", "[::1", "höst", "999.1.1.1"]
)
def test_an_entry_that_cannot_be_read_is_named(entry: str) -> None:
    with pytest.raises(BadPattern, match="ARENA_ALLOWED_HOSTS"):
        AllowList([entry])


def test_only_variables_meant_for_keys_may_be_named() -> None:
    settings = Settings(key_variables=("OPENAI_API_KEY",))
    assert may_name_key("ARENA_KEY_BIG", settings)
    assert may_name_key("OPENAI_API_KEY", settings)
    for variable in ("DATABASE_URL", "PATH", "ARENA_TOKEN", "MY_ARENA_KEY_BIG", "arena_key_big"):
        assert not may_name_key(variable, settings), variable


# ── clients ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_allowed_server_is_spoken_to() -> None:
    async with ScriptedServer() as server, client(server.base_url, AllowList(LOCAL)) as guarded:
        assert await guarded.models() == ["scripted"]
        assert (await guarded.complete(call(), Findings(), within=5)).text


async def test_a_server_that_is_not_allowed_receives_nothing() -> None:
    async with ScriptedServer() as server, client(server.base_url, AllowList(["10.0.0.0/8"])) as guarded:
        with pytest.raises(Blocked, match="ARENA_ALLOWED_HOSTS"):
            await guarded.models()
        with pytest.raises(Blocked, match="ARENA_ALLOWED_HOSTS"):
            await guarded.complete(call(), Findings(), within=5)
        assert server.seen == []


async def test_a_request_goes_to_the_address_that_was_checked_under_the_servers_name() -> None:
    hosts: list[str] = []
    async with listening(lambda request: hosts.append(request.headers["Host"]) or models()) as port:
        listed = AllowList(LOCAL, Names(["127.0.0.1"]))
        async with client(f"http://model.test:{port}/v1", listed) as guarded:
            assert await guarded.models() == ["scripted"]
    assert hosts == [f"model.test:{port}"]


async def test_a_name_that_changes_its_address_after_the_check_leads_nowhere() -> None:
    """DNS rebinding: the first answers are allowed, the one at the moment of connecting is not."""
    async with ScriptedServer() as server:
        port = server.base_url.split(":")[2]
        names = Names(["93.184.216.34"], ["127.0.0.1"])
        async with client(f"http://model.test:{port}", AllowList(["model.test"], names)) as guarded:
            with pytest.raises(ParticipantError):
                await guarded.complete(call(), Findings(), within=5)
        assert len(names.asked) >= 2, "looked up anew for the request"
        assert server.seen == []


async def test_a_redirect_is_not_followed() -> None:
    async with ScriptedServer() as target:
        moved = web.HTTPTemporaryRedirect

        def away(request: web.Request) -> web.Response:
            raise moved(f"{target.base_url}/{request.path.removeprefix('/v1/')}")

        async with (
            listening(away) as port,
            client(f"http://127.0.0.1:{port}/v1", AllowList(LOCAL)) as guarded,
        ):
            with pytest.raises(ParticipantError, match="307"):
                await guarded.models()
            with pytest.raises(ParticipantError, match="307"):
                await guarded.complete(call(), Findings(), within=5)
        assert target.seen == []


async def test_a_name_that_cannot_be_looked_up_for_a_while_pauses_the_endpoint() -> None:
    async with ScriptedServer() as server:
        names = Names([], [], [], ["127.0.0.1"])
        url = server.base_url.replace("127.0.0.1", "models.example.org")
        settings = EndpointSettings(base_url=url)
        patience = Patience(hours=1, pause=0.01)
        async with GuardedClient("big", settings, AllowList(["127.0.0.1"], names), patience=patience) as far:
            assert (await far.complete(call(), Findings(), within=10)).text
    assert len(server.seen) == 1


async def test_a_proxy_named_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[str] = []
    async with listening(lambda request: reached.append(request.path) or models()) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{port}")
        async with ScriptedServer() as server, client(server.base_url, AllowList(LOCAL)) as guarded:
            assert await guarded.models() == ["scripted"]
    assert reached == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
async def test_a_certificate_is_asked_for_and_checked_under_the_servers_name(tmp_path: Path) -> None:
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    context.sni_callback = lambda _, name, __: asked.append(name)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        client(f"https://model.test:{port}/v1", AllowList(LOCAL, Names(["127.0.0.1"]))) as guarded,
    ):
        with pytest.raises(ParticipantError, match="cannot be reached"):
            await guarded.models()
    assert asked == ["model.test"]


async def test_no_key_is_in_what_a_failure_says(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-very-secret-0123456789"
    monkeypatch.setenv("ARENA_KEY_BIG", key)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ScriptedServer(Script(key="another")))
        guarded = await stack.enter_async_context(client(server.base_url, AllowList(LOCAL), "ARENA_KEY_BIG"))
        with pytest.raises(ParticipantError) as refused:
            await guarded.complete(call(), Findings(), within=5)
    assert key not in str(refused.value)
    assert "ARENA_KEY_BIG" in str(refused.value)


async def test_participants_of_one_endpoint_share_a_guarded_client() -> None:
    roster = GuardedParticipantFactory(AllowList(LOCAL))
    settings = EndpointSettings(base_url="http://127.0.0.1:9/v1")
    assert isinstance(roster.client("big", settings), GuardedClient)
    assert roster.client("big", settings) is roster.client("other name", settings)
    await roster.close()


# ── small servers ───────────────────────────────────────────────────────────────────────────────────────────────


def models() -> web.Response:
    """A list of one model."""
    return web.json_response({"data": [{"id": "scripted"}]})


@asynccontextmanager
async def listening(answer: object) -> AsyncIterator[int]:
    """A server that gives `answer(request)` to everything; yields its port."""

    async def handle(request: web.Request) -> web.StreamResponse:
        assert callable(answer)
        response = answer(request)
        assert isinstance(response, web.StreamResponse)
        return response

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that nobody vouches for, and its key."""
    made = folder / "certificate.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=model.test"
    subprocess.run(
        [*command.split(), "-out", str(made[0]), "-keyout", str(made[1])], check=True, capture_output=True
    )
    return made
