"""Settings of this process, from the environment."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, SecretStr, TypeAdapter, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _apart(value: object) -> object:
    """A list in a variable: words separated by commas or blanks."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _origin(value: str) -> str:
    """Scheme, host and port, as browsers write them in `Origin`."""
    url = TypeAdapter(HttpUrl).validate_python(value)
    if url.username or url.password or url.path not in (None, "/") or url.query or url.fragment:
        raise ValueError("write scheme, host and port only, as https://arena.example.org")
    return str(url).rstrip("/")


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        try:
            ip_network(value)
        except ValueError as error:
            raise ValueError(f"{value} is neither an address nor a network such as 10.0.0.0/8") from error
    return values


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_apart)]


class Settings(BaseSettings):
    """Settings of a process. Variables are named ARENA_…, except DATABASE_URL, which other tools use too."""

    model_config = SettingsConfigDict(env_prefix="ARENA_", use_attribute_docstrings=True)

    home: Path = Path("var")
    """Folder of all state, with the embedded database."""
    database_url: SecretStr | None = Field(None, validation_alias="DATABASE_URL")
    """A PostgreSQL server to use instead of the embedded one, as postgresql://user:password@host:port/name."""

    @field_validator("database_url", "public_url", "vllm", "metrics_token", "worker_port", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    concurrency: int = Field(64, ge=1, le=4096)
    """Trials and judgements that one worker advances at once."""
    connections: int = Field(8, ge=2, le=200)
    """Database connections of one process, not counting those of the queue."""
    host: str = "127.0.0.1"
    """Address on which `arena serve` listens."""
    port: int = Field(8000, ge=0, le=65535)
    """Port on which `arena serve` listens; 0 takes a free one."""
    public_url: Annotated[str, AfterValidator(_origin)] | None = None
    """Address of the arena in browsers where it runs behind a proxy, as https://arena.example.org."""
    hosts: Listed = ()
    """Names under which browsers may ask for the arena's pages, besides that of `public_url`, those of this machine
    itself, and the address at which a request arrived; `*.example.org` means every name below it.
    """
    trusted_proxies: Annotated[Listed, AfterValidator(_networks)] = ()
    """Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    session_hours: float = Field(720, gt=0, le=720)
    """Hours after which a browser has to sign in again, whatever it did meanwhile."""
    session_idle_hours: float = Field(168, gt=0, le=720)
    """Hours without a request after which a browser has to sign in again."""
    metrics_token: SecretStr | None = None
    """What Prometheus sends as a bearer token to read `/metrics`. Without it, only programs on this machine may."""
    worker_port: int | None = Field(None, ge=0, le=65535)
    """Port on which `arena worker` answers `/healthz`, `/readyz` and `/metrics`, at `host`; none where not set."""
    log_format: Literal["text", "json"] = "text"
    """Lines for people, or a JSON object a line with the ids of play and call."""
    log_level: Literal["warning", "info"] = "warning"
    """Whether each play and call that ends is logged too."""
    telemetry: bool = False
    """Whether traces are sent as OpenTelemetry's own variables (`OTEL_…`) say; needs the extra `telemetry`."""
    heartbeat: float = Field(10, gt=0)
    """Seconds between a worker's signs of life."""
    stalled_after: float = Field(30, gt=0)
    """Seconds without a sign of life after which other workers take a worker's jobs; over twice `heartbeat`.
    """
    patience: float = Field(12, gt=0, le=10_000)
    """Hours for which an endpoint that does not answer is waited for."""
    reply_megabytes: int = Field(16, ge=1, le=1024)
    """Most megabytes of a model's reply that are read, unpacked. A longer one is an error of its server."""
    allowed_hosts: Listed = ("127.0.0.0/8", "::1")
    """Where `arena serve` may send requests to models: addresses, networks, names, each with a port or without."""
    vllm: str | None = None
    """The command `vllm` that `arena serve --vllm` starts; without it that of `.vllm/`, or the first on the path."""
    key_variables: Listed = ()
    """Environment variables that an endpoint added in the browser may name for its key, headers and query, and a
    study for its recruiter's token and secret, besides ARENA_KEY_….
    """
    prolific_url: Annotated[str, AfterValidator(_origin)] = "https://api.prolific.com"
    """Where Prolific's API is. `arena serve` sends requests there only where `allowed_hosts` names it."""


def settings() -> Settings:
    """Read the environment again."""
    return Settings()
