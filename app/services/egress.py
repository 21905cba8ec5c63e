"""Where the web application may connect to: an allow-list, checked when an address is saved and at every request.

It knows no database. Redirects are never followed, so that an address that was checked is the one that is spoken to.
"""

import asyncio
import ipaddress
import os
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from app.errors import UserError
from app.participants.base import Call, CallLog, EndpointSettings, NoKey
from app.participants.client import Client
from app.participants.completions import Reply
from app.participants.concurrency import Limit
from app.participants.outages import IMPATIENT, Patience
from app.participants.participant_factory import ParticipantFactory
from app.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""From a name and a port to all its addresses."""

KEY_PREFIX = "ARENA_KEY_"
_TRANSLATED = [ipaddress.ip_network(network) for network in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")]
"""Prefixes of IPv6 addresses that end in the IPv4 address they lead to (RFC 6052, RFC 8215, RFC 4291)."""
_PORTED = re.compile(r"\[(?P<six>[^\]]+)\](?::(?P<six_port>\d+))?|(?P<host>[^:\s]+):(?P<port>\d+)")


class Blocked(NoKey):
    """This process may not connect to an address; like a missing key, no fault of the trial: another worker may."""


class NoAddress(Blocked):
    """A name has no address now: it is mistyped, or the server that looks names up is away."""


class BadPattern(UserError, ValueError):
    """An entry of the allow-list cannot be read; the text is one sentence that says what to write."""


async def _system(host: str, port: int) -> list[str]:
    """What the system's resolver says; IPv4 first, since local servers listen there as a rule."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(str(item[4][0]) for item in found)
    return sorted(addresses, key=lambda address: ":" in address)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One entry: a network or a name, and the port it is for (None: any)."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None
    name: str
    port: int | None


def _pattern(entry: str) -> Pattern:
    parts = _PORTED.fullmatch(entry)
    host = entry if parts is None else parts["six"] or parts["host"]
    port = parts and (parts["six_port"] or parts["port"])
    number = int(port) if port else None
    try:
        return Pattern(ipaddress.ip_network(host, strict=False), "", number)
    except ValueError:
        if not re.fullmatch(r"[A-Za-z0-9.-]+", host) or re.fullmatch(r"[\d.]+", host):
            raise BadPattern(
                f"ARENA_ALLOWED_HOSTS: {entry} is no address, network or name, with a port or without."
            ) from None
        return Pattern(None, host.lower().rstrip("."), number)


def _meant(address: Address) -> tuple[Address, ...]:
    """The address, and the IPv4 address inside it where it leads to one by way of a translator or a relay."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if address.ipv4_mapped:
        return (address.ipv4_mapped,)
    inner = address.sixtofour or (address.teredo and address.teredo[1])
    if any(address in network for network in _TRANSLATED):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return (address, inner) if inner else (address,)


def _public(address: Address) -> bool:
    """Whether everybody on the internet means the same machine by it."""
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return address.is_global and not address.is_multicast and not site_local


class AllowList:
    """The addresses that may be connected to.

    A network or address in the list allows what it holds, whatever it is called. A name in the list allows the
    public addresses that it resolves to; where it resolves to others (private, local, those of a cloud's metadata),
    these have to be in the list themselves.
    """

    def __init__(self, entries: Iterable[str], resolve: Resolve = _system) -> None:
        self._patterns = [_pattern(entry) for entry in entries]
        self._resolve = resolve

    async def check(self, url: str) -> str:
        """The address to connect to for `url`. Raises Blocked where it, or any other that its name has, is not allowed."""
        parts = urlsplit(url)
        try:
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, port = "", None
        if port is None:
            port = 443 if parts.scheme == "https" else 80
        if not host or parts.scheme not in ("http", "https") or parts.username or parts.password:
            raise Blocked("The address is not one of a server: write it as https://host:port/v1.")
        return (await self.addresses(host, port))[0]

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return all addresses of a host. Raise Blocked where one of them is not allowed."""
        try:
            found = [str(ipaddress.ip_address(host))]
        except ValueError:
            found = await self._named(host, port)
        for address in found:
            plain = ipaddress.ip_address(address.partition("%")[0])
            if not self._allowed(host.lower().rstrip("."), plain, port):
                where = f"{host}:{port}" if address == host else f"{host}:{port} ({address})"
                raise Blocked(
                    f"The arena may not connect to {where}: its operator can add it to ARENA_ALLOWED_HOSTS."
                )
        return found

    async def _named(self, host: str, port: int) -> list[str]:
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise NoAddress(f"The name {host} has no address: correct it, or see that it can be looked up.")
        return found

    def _allowed(self, name: str, address: Address, port: int) -> bool:
        fitting = [pattern for pattern in self._patterns if pattern.port in (None, port)]
        meant = _meant(address)
        public = all(map(_public, meant))
        # A relay's own loopback or network is not ours: what is not public must be listed itself.
        near = meant if public else meant[:1]
        listed = [pattern.network for pattern in fitting if pattern.network is not None]
        if any(one in network for network in listed for one in near):
            return True
        return public and any(pattern.name == name for pattern in fitting if pattern.network is None)


def allow_list(settings: Settings) -> AllowList:
    """The allow-list that the settings hold."""
    return AllowList(settings.allowed_hosts)


def may_name_key(variable: str, settings: Settings) -> bool:
    """Whether an endpoint added in the browser may name this environment variable for its key."""
    return variable.startswith(KEY_PREFIX) or variable in settings.key_variables


def key_is_set(variable: str | None) -> bool:
    """Return whether this process has the key. The key itself is never shown."""
    return bool(variable and os.environ.get(variable))


# ── clients that ask first ──────────────────────────────────────────────────────────────────────────────────────


class CheckedResolver(AbstractResolver):
    """Looks a name up at the moment of connecting, and returns only addresses that the allow-list lets."""

    def __init__(self, allowed: AllowList) -> None:
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return all its addresses. Raise Blocked where one of them is not allowed, OSError where it has none."""
        try:
            addresses = await self._allowed.addresses(host, port)
        except NoAddress as error:
            raise OSError(str(error)) from error  # as any resolver says it
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Hold nothing that needs closing."""


class GuardedClient(Client):
    """A client that checks its server for every request, and connects only to addresses that were checked."""

    def __init__(
        self,
        name: str,
        settings: EndpointSettings,
        allowed: AllowList,
        *,
        limit: Limit | None = None,
        patience: Patience = IMPATIENT,
    ) -> None:
        super().__init__(name, settings, limit=limit, patience=patience, resolver=CheckedResolver(allowed))
        self._allowed = allowed

    async def models(self) -> list[str]:
        """See `Client`; raises Blocked where the server may not be spoken to."""
        await self._allowed.check(str(self.settings.base_url))
        return await super().models()

    async def complete(self, call: Call, log: CallLog, *, within: float) -> Reply:
        """See `Client`; raises Blocked where the server may not be spoken to."""
        try:
            await self._allowed.check(str(self.settings.base_url))
        except NoAddress:
            if not self.patient:
                raise
            # The request meets it again, and the endpoint is paused until its name can be looked up.
        return await super().complete(call, log, within=within)

    async def answers(self, call: Call, log: CallLog, *, within: float) -> None:
        """See `Client`; raises Blocked where the server may not be spoken to."""
        await self._allowed.check(str(self.settings.base_url))
        await super().answers(call, log, within=within)


class GuardedParticipantFactory(ParticipantFactory):
    """A roster whose models are spoken to only where the allow-list lets it."""

    def __init__(self, allowed: AllowList, patience: Patience = IMPATIENT) -> None:
        super().__init__(patience)
        self._allowed = allowed

    def _connect(self, name: str, settings: EndpointSettings) -> Client:
        return GuardedClient(name, settings, self._allowed, patience=self._patience)
