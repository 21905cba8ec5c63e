"""The address at which a server speaks the OpenAI protocol, from a wrong one or from a reply in another protocol. Sends nothing."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

_KNOWN_HOSTS: tuple[tuple[str, str], ...] = (
    (r"generativelanguage\.googleapis\.com", "/v1beta/openai/"),
    (r"api\.anthropic\.com", "/v1"),
    (r"api\.openai\.com", "/v1"),
    (r"[\w-]+\.(?:openai|cognitiveservices|services\.ai)\.azure\.com", "/openai/v1"),
    (r"openrouter\.ai", "/api/v1"),
    (r"api\.groq\.com", "/openai/v1"),
    (r"api\.fireworks\.ai", "/inference/v1"),
    (r"api\.deepinfra\.com", "/v1/openai"),
    (r"api\.cohere\.(?:com|ai)", "/compatibility/v1"),
    (r"api\.(?:mistral\.ai|together\.xyz|x\.ai|cerebras\.ai)", "/v1"),
    (r"router\.huggingface\.co", "/v1"),
    (r"dashscope(?:-intl|-us)?\.aliyuncs\.com", "/compatible-mode/v1"),
    (r"ollama\.com", "/v1"),
)
"""Hosts of providers, each with the path of its OpenAI protocol, from their documentation."""

_OPERATIONS = re.compile(
    r"/(?:chat/completions|chat/completion|completions?|responses|embeddings|messages|models(?:/[^/]+)?)/?\Z",
    re.IGNORECASE,
)
"""What a request adds to the base address: a base address has none of it."""
_OLLAMA = re.compile(r"/api(?:/(?:chat|generate|tags|show|ps|version))?/?\Z", re.IGNORECASE)
_GEMINI = re.compile(r"/(v1(?:alpha|beta)\d*)(?:/models(?:/[^/]*)?)?/?\Z", re.IGNORECASE)
_NATIVE = re.compile(r"/(?:generate|generate_stream|completion|v\d+/chat|api/v1/generate)/?\Z", re.IGNORECASE)
"""The native operations of TGI, llama.cpp, Cohere and KoboldCpp."""
_VERSION = re.compile(r"/v\d+(?:alpha|beta)?\d*(?=/|\Z)", re.IGNORECASE)

PROTOCOLS: Mapping[str, str] = {
    "Ollama": "/v1",
    "Anthropic": "/v1",
    "Gemini": "/v1beta/openai/",
    "the OpenAI Responses API": "/v1",
    "Cohere": "/compatibility/v1",
    "TGI": "/v1",
    "llama.cpp": "/v1",
    "KoboldCpp": "/v1",
}
"""Other protocols, with the path at which the servers that speak them speak that of OpenAI too."""


def spoken_by(body: object) -> str | None:
    """Return the name of the protocol of a reply, where it is another one than that of OpenAI; None where it is not known."""
    if isinstance(body, list):
        return spoken_by(body[0]) if len(body) > 0 and isinstance(body[0], Mapping) else None
    if not isinstance(body, Mapping) or "choices" in body:
        return None
    has = body.keys()
    message = body.get("message")
    if "done" in has and ("message" in has or "response" in has):
        return "Ollama"
    if body.get("type") == "message" and isinstance(body.get("content"), list):
        return "Anthropic"
    if isinstance(body.get("candidates"), list) or {"promptFeedback", "usageMetadata"} & has:
        return "Gemini"
    if body.get("object") == "response" or (
        "output" in has and "output_text" in str(body.get("output"))[:2000]
    ):
        return "the OpenAI Responses API"
    if isinstance(message, Mapping) and isinstance(message.get("content"), list) and "finish_reason" in has:
        return "Cohere"
    if "generated_text" in has:
        return "TGI"
    if "content" in has and {"tokens_predicted", "generation_settings"} & has:
        return "llama.cpp"
    results = body.get("results")
    koboldcpp = (
        isinstance(results, list) and results and isinstance(results[0], Mapping) and "text" in results[0]
    )
    return "KoboldCpp" if koboldcpp else None


def complains_in(words: str) -> str | None:
    """Return the name of the protocol whose headers or operations a refusal names; None where it names none."""
    return next((name for name, pattern in _ITS_WORDS if re.search(pattern, words, re.IGNORECASE)), None)


_ITS_WORDS = (
    ("Anthropic", r"anthropic-version|x-api-key.{0,20}(required|header)"),
    ("Gemini", r"\b(stream)?generateContent\b|GenerateContentRequest|for API version v1"),
)


def right_address(url: str, protocol: str | None = None) -> str | None:
    """Return the address to write instead of `url`, with what is known of the protocol that its server speaks; None where
    `url` may be right.
    """
    found = _right(url, protocol)
    return None if found is None or found.rstrip("/") == url.rstrip("/") else found


def _right(url: str, protocol: str | None) -> str | None:
    scheme, host, path, *_ = urlsplit(url)
    path = re.sub(r"/+", "/", path)
    name = (urlsplit(url).hostname or "").lower()
    if "/deployments/" in path:  # An address of Azure for one model.
        return None
    for pattern, known in _KNOWN_HOSTS:
        if re.fullmatch(pattern, name):
            tail = known.rstrip("/")
            return None if path.rstrip("/").endswith(tail) else urlunsplit((scheme, host, known, "", ""))
    if protocol is not None:
        return urlunsplit((scheme, host, _root(path) + PROTOCOLS[protocol], "", ""))
    if found := _GEMINI.search(path):
        return urlunsplit((scheme, host, f"{path[: found.start()]}/{found[1]}/openai/", "", ""))
    if found := _OPERATIONS.search(path):
        return _base(scheme, host, path[: found.start()])
    if found := _OLLAMA.search(path) or _NATIVE.search(path):
        return urlunsplit((scheme, host, path[: found.start()] + "/v1", "", ""))
    return None if _VERSION.search(path) else _base(scheme, host, path)


def _base(scheme: str, host: str, path: str) -> str:
    """Return a base address that ends in a version."""
    path = _OLLAMA.sub("", path).rstrip("/")
    return urlunsplit((scheme, host, path if _VERSION.search(path) else f"{path}/v1", "", ""))


def _root(path: str) -> str:
    """Return the part of a path before a version or a native operation."""
    for pattern in (_OPERATIONS, _OLLAMA, _NATIVE):
        path = pattern.sub("", path)
    version = _VERSION.search(path)
    return (path[: version.start()] if version else path).rstrip("/")


def is_sure(url: str) -> bool:
    """Return whether an address is surely wrong, and not only without a version."""
    right = right_address(url)
    return right is not None and right.rstrip("/") != f"{url.rstrip('/')}/v1"


def advice(url: str, protocol: str | None = None) -> str | None:
    """Return what to do about a wrong address, as a clause; None where it may be right."""
    right = right_address(url, protocol)
    return (
        None if right is None else f"write base_url: {right} (the address of its OpenAI-compatible interface)"
    )


# ── hosts, which a report names and the rest of an address stays out of ─────────────────────────────────────────

_NOWHERE = ".left-out.invalid"


def host_of(address: str) -> str:
    """Return the host of an address, also of one that `nowhere` made."""
    return (urlsplit(address).hostname or "unknown").removesuffix(_NOWHERE)


def nowhere(address: str) -> str:
    """Return an address that keeps the host alone, and that nothing answers at."""
    return f"http://{host_of(address)}{_NOWHERE}"
