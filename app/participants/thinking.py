"""Splits a model's reply into what it thought and what it said, by the kind of wrapper. Knows no seat and no ask.

A wrapper is a named block of reasoning, in whatever brackets: `<think>…</think>`, `[THINK]…[/THINK]`,
`◁think▷…◁/think▷`, `<|begin_of_thought|>…<|end_of_thought|>`, a fenced block, a labelled part, a member of a JSON
object, or the channels of Harmony. It counts

- at the beginning of a reply, closed or not, and any number of times before the answer;
- later on, where it is closed and begins a line or follows the end of a sentence, or has its line to itself;
- where it is only closed, because the chat template has opened it: everything before is then thought.

It never counts inside a quote, between quotation marks or backticks, or in the middle of a sentence: a speech may
quote such words.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple


class Parted(NamedTuple):
    """A reply in its two parts."""

    said: str
    thought: str = ""
    """Every block of thinking, with a blank line between two."""
    unfinished: bool = False
    """Whether the reply ends inside its thinking."""


_STRONG = frozenset(
    re.findall(
        r"\w+",
        "think thinking thinks thought thoughts reasoning reflection reflections reflect scratch inner internal monologue cot "
        "rumination introspection deliberation 思考 思考过程 思考過程 推理 推論 推论 思维 思維 思维链 考え 생각 추론 "
        "размышление размышления рассуждение рассуждения мысли denken gedanken denkprozess überlegung überlegungen "
        "réflexion réflexions raisonnement pensée pensées pensamiento pensamientos razonamiento raciocinio raciocínio "
        "pensamento pensamentos ragionamento pensiero pensieri",
    )
)
_WEAK = frozenset(
    re.findall(
        r"\w+",
        "analysis analyze analyse analyzing analysing rationale reason reasons deliberate ponder pondering brainstorm "
        "brainstorming contemplation contemplate meditation consider consideration considerations musing musings hidden "
        "private mind process reflecting plan planning strategy strategizing working workings steps stepbystep notes "
        "preparation outline approach considering",
    )
)
"""Names that reasoning has, and other texts too: these count only where the block is closed."""
_ANSWER = frozenset(
    re.findall(
        r"\w+",
        "answer response final solution output speech reply statement argument rebuttal box boxed content 回答 答案 解答",
    )
)
_NOTES = frozenset(re.findall(r"\w+", "scratchpad notepad"))
_QUOTE = frozenset(re.findall(r"\w+", "quote quotes quotation quotations q vquote uquote blockquote cite"))
_FORMAT = frozenset(
    re.findall(
        r"\w+",
        "b i u s em strong p br hr div span h1 h2 h3 h4 ul ol li sup sub small code pre a center html body head title header "
        "footer main nav section article table thead tbody tr td th dl dt dd img figure figcaption font del ins mark big kbd "
        "samp var abbr address details summary url color size list spoiler",
    )
)
"""Names of HTML and BBCode."""
_OF_SPEECHES = frozenset(
    re.findall(
        r"\w+",
        "evidence excerpt excerpts citation citations source passage text line introduction intro opening closing conclusion claim "
        "point premise example paragraph heading emphasis important highlight debater consultant speaker judge opponent question "
        "belief confidence probability items json background context facts fact points claims quotes summary overview case theory",
    )
)
"""Names of parts of a speech or of an answer, which are never taken for thinking."""
_BEGINS = frozenset(re.findall(r"\w+", "begin start open prefix"))
_ENDS = frozenset(re.findall(r"\w+", "end stop close suffix"))

_CLOSERS = {
    "<|": "|>", "<｜": "｜>", "<": ">", "<<": ">>", "&lt;": "&gt;", "\\<": "\\>", "\\u003c": "\\u003e",
    "\\u003C": "\\u003E", "[": "]", "[[": "]]", "\\[": "\\]",
    "{": "}", "{{": "}}", "◁": "▷", "⟨": "⟩", "【": "】", "«": "»", "＜": "＞", "〈": "〉", "《": "》", "‹": "›", "⟦": "⟧",
    "〔": "〕", "［": "］", "⟪": "⟫", "⌜": "⌝",
}  # fmt: skip
_TAG = re.compile(
    rf"(?P<opens>{'|'.join(re.escape(mark) for mark in sorted(_CLOSERS, key=len, reverse=True))})"
    r"[\s\u200b\u2060\ufeff]*(?P<slash>[/／]?)[\s\u200b\u2060\ufeff]*(?P<name>[^\W\d_](?:[\w :.▁\-]{0,38}\w)?)(?P<more>\s+[\w:-]+\s*=[^<>\n/]{0,200})?\s*(?P<after>/?)\s*"
    rf"(?P<closes>{'|'.join(re.escape(mark) for mark in sorted(_CLOSERS.values(), key=len, reverse=True))})"
)
_PART = re.compile(r"[^\W_]+?(?=[A-Z][a-z]|[\W_]|\Z)")


@dataclass(frozen=True, slots=True)
class _Tag:
    """A bracketed name in a text."""

    start: int
    end: int
    core: str
    """Its name in small letters, without words such as `begin`."""
    closes: bool
    kind: Literal["strong", "weak", "answer", "notes", "quote", "format", "other"]
    brackets: str
    parts: tuple[str, ...] = ()
    """The words of its name."""

    @property
    def reasons(self) -> bool:
        """Return whether it is the name of reasoning."""
        return self.kind in ("strong", "weak")


def _tags(text: str) -> Iterator[_Tag]:
    """Yield every bracketed name of a text, in order."""
    for found in _TAG.finditer(text):
        if _CLOSERS[found["opens"]] == found["closes"]:
            yield _tag(found)


MOST_TAGS = 2_000
"""Tags around thinking in one reply, which is parted in time that grows with their square."""


def is_tangled(text: str) -> bool:
    """Return whether a reply has more tags around thinking than can be parted in good time."""
    if len(text) <= MOST_TAGS * len("<think>"):
        return False
    return sum(tag.reasons for tag in _tags(text)) > MOST_TAGS


def _tag(found: re.Match[str]) -> _Tag:
    parts = [part.casefold() for part in _PART.findall(found["name"])]
    named = [part for part in parts if part not in _BEGINS | _ENDS | {"of", "the", "my"}]
    closes = bool(found["slash"] or found["after"]) or (len(named) < len(parts) and bool(_ENDS & set(parts)))
    core = "".join(named) or "".join(parts)
    kind = _kind({*named, core})
    return _Tag(found.start(), found.end(), core, closes, kind, found["opens"], tuple(named))


def _kind(names: set[str]) -> Literal["strong", "weak", "answer", "notes", "quote", "format", "other"]:
    if names & _NOTES or {"scratch", "pad"} <= names:
        return "notes"
    if names & _STRONG:
        return "strong"
    if names & _QUOTE or names >= {"v", "quote"}:
        return "quote"
    if names & _ANSWER and ("final" in names or not names & (_WEAK | {"draft"})):
        return "answer"
    if names & _WEAK:
        return "weak"
    return "format" if names & _FORMAT else "other"


# ── the parts of a reply ────────────────────────────────────────────────────────────────────────────────────────


def part(text: str, *, whole: bool = True) -> Parted:
    """Return what a reply says and what it only thinks. `whole` is False where the limit on tokens broke it off.

    What is said comes back unchanged where there is no thinking in it; parting it again changes nothing.
    """
    thoughts: list[str] = []
    said, unfinished = text, False
    for _ in range(_MOST_PASSES):
        passed = _pass(said, whole)
        if passed is None:
            break
        thoughts.append(passed.thought)
        said, unfinished = passed.said, passed.unfinished
    thought = "\n\n".join(filter(None, thoughts))
    return Parted(said, thought, unfinished and not said.strip())


_MOST_PASSES = 8
"""Wrappers of different kinds inside one another, one a pass."""


def _pass(text: str, whole: bool) -> Parted | None:
    """Return the parts by the first kind of wrapper that is found; None where there is none."""
    for kind in (_channels, _words_of_channels, _fenced, _json, _hidden, _aside, _labelled, _headed):
        if parted := kind(text, whole):
            return parted
    return _bracketed(text, whole) or _marked_off(text, whole) or _named(text)


def opens(token: str) -> bool:
    """Return whether a first token is the beginning of thinking."""
    begun = token.strip()
    return begun.startswith(
        ("<|channel", "<think", "<|begin_of_th", "[THINK", "◁think", "<|START_TH", "<|inner")
    ) or any(tag.kind == "strong" and not tag.closes for tag in _tags(begun))


# ── brackets ────────────────────────────────────────────────────────────────────────────────────────────────────

_LEAD = re.compile(
    r"(?:\s|[*_#]|<s>|<bos>|<\|(?:im_start|start|start_header_id|begin_of_text)\|>\s*(?:assistant)?)*"
)
_SENTENCE_BEFORE = re.compile(r"(?:^|\n|[.!?…。！？:：)\]\"”’」』>*_]|\A)[ \t]*\Z")
_GOES_ON = re.compile(r"[ \t]*[^\W\d_]|[ \t]*[,;.:!?)\]'’]")


def _bracketed(text: str, whole: bool) -> Parted | None:
    """Return the parts by bracketed names; None where there is no thinking."""
    tags = [tag for tag in _tags(text) if tag.reasons or tag.kind == "answer"]
    if not tags:
        return None
    quoted, ends = _quotations(text), _ends(tags)
    said: list[str] = []
    thought: list[str] = []
    at, unfinished, begun = 0, False, _LEAD.match(text)
    edge = begun.end() if begun else 0
    for number, tag in enumerate(tags):
        if tag.start < at or _within(tag, quoted) or not tag.reasons:
            continue
        first = tag.start <= edge
        if tag.closes:
            if _mid_sentence(text, tag):
                continue
            thought, said = [*thought, *said, text[at : tag.start]], []  # the chat template has opened it
            at = edge = tag.end
            continue
        end = _end_of(text, tag, ends[number], first, whole)
        if end is None:
            continue
        said.append("" if first else text[at : tag.start])
        thought.append(text[tag.end : end[0]])
        at, unfinished = end[1], end[1] >= len(text) and end[0] == end[1]
        edge = at + _spaces(text, at) if first else edge
    if not thought:
        return _unwrapped(text, tags)
    public = "".join([*said, text[at:]])
    return Parted(public if any(said) else _answer_begun(public.lstrip()), _joined(thought), unfinished)


def _spaces(text: str, at: int) -> int:
    found = _LEAD.match(text, at)
    return found.end() - at if found else 0


def _joined(thoughts: list[str]) -> str:
    return "\n\n".join(stripped for thought in thoughts if (stripped := thought.strip()))


class _Ends(NamedTuple):
    """The tags after a tag that may end its block."""

    same: _Tag | None
    """The next closing one of its name."""
    other: _Tag | None
    """The next closing one of any reasoning."""
    answer: _Tag | None
    """The next one that opens an answer."""


def _ends(tags: list[_Tag]) -> list[_Ends]:
    """Return for each tag what may end its block."""
    by_name: dict[str, _Tag] = {}
    other = answer = None
    ends: list[_Ends] = []
    for tag in reversed(tags):
        ends.append(_Ends(by_name.get(tag.core), other, answer))
        if tag.closes and tag.reasons:
            by_name[tag.core] = other = tag
        elif tag.kind == "answer" and not tag.closes:
            answer = tag
    return ends[::-1]


def _end_of(text: str, tag: _Tag, ends: _Ends, first: bool, whole: bool) -> tuple[int, int] | None:
    """Return where a block of thinking ends and where the text goes on; None where it is no such block."""
    if not first and not _begins_sentence(text, tag.start):
        return None
    if same := ends.same or ends.other:
        return same.start, same.end
    if ends.answer and (first or _alone(text, tag)):
        return ends.answer.start, ends.answer.start
    if tag.kind != "strong":
        return None
    named = text[tag.start : tag.end]
    sure = not whole or tag.brackets not in _OF_HEADINGS or named.isupper()
    return (len(text), len(text)) if (first and sure) or _alone(text, tag) else None


_OF_HEADINGS = ("[", "[[", "\\[", "{", "【", "«", "〈", "《", "‹", "〔", "［")
"""Brackets that may also stand around a heading: `[Reflection] The keeper slept.`"""


def _begins_sentence(text: str, at: int) -> bool:
    return bool(_SENTENCE_BEFORE.search(text[max(at - 40, 0) : at])) or at == 0


def _alone(text: str, tag: _Tag) -> bool:
    """Return whether a tag has its line to itself."""
    line = text[text.rfind("\n", 0, tag.start) + 1 : tag.start] + text[tag.end :].partition("\n")[0]
    return not line.strip(" \t*_#")


def _mid_sentence(text: str, tag: _Tag) -> bool:
    """Return whether a closing tag is in the middle of a sentence, as a word of it."""
    after = _GOES_ON.match(text, tag.end)
    goes_on = (
        after is not None and not after[0][-1].isupper() and after[0][-1:].casefold() != after[0][-1:].upper()
    )
    return not _begins_sentence(text, tag.start) and goes_on


_CLEAN_QUOTE = re.compile(
    r"(?:<|&lt;)\s*quote\b[^<>]{0,80}(?:>|&gt;)(?:(?!(?:<|&lt;)\s*quote\b).){0,2000}?(?:<|&lt;)\s*/\s*quote\s*(?:>|&gt;)"
    r"|`[^`\n]{1,200}`|“[^“”\n]{1,300}”|‘[^‘’\n]{1,300}’|「[^「」\n]{1,300}」|『[^『』\n]{1,300}』"
    r"|(?<![^\s(\[—–-])\"[^\"\n]{1,300}\"(?!\w)|(?<![^\s(\[—–-])'[^'\n]{1,300}'(?!\w)",
    re.IGNORECASE | re.DOTALL,
)


def _quotations(text: str) -> list[tuple[int, int]]:
    """Return the places of quotes, and of words between quotation marks or backticks, on one line."""
    return [found.span() for found in _CLEAN_QUOTE.finditer(text)]


def _within(tag: _Tag, spans: list[tuple[int, int]]) -> bool:
    at = bisect_left(spans, (tag.start, 0)) - 1
    return at >= 0 and tag.end < spans[at][1]


# ── the wrapper of an answer ────────────────────────────────────────────────────────────────────────────────────


def _answer(said: str) -> str:
    """Return an answer without a wrapper around it, such as `<answer>…</answer>`."""
    unwrapped = _unwrapped(said, list(_tags(said)))
    return unwrapped.said if unwrapped else said


def _unwrapped(text: str, tags: list[_Tag]) -> Parted | None:
    begun = _LEAD.match(text)
    edge = begun.end() if begun else 0
    opening = next((tag for tag in tags if tag.kind == "answer"), None)
    if opening is None or opening.closes or opening.start > edge:
        return None
    closing = next((tag for tag in tags if tag.closes and tag.core == opening.core), None)
    if closing is None:
        return Parted(text[opening.end :].lstrip()) if opening.brackets not in "[{" else None
    return Parted((text[opening.end : closing.start].strip() + text[closing.end :]).strip())


# ── channels ────────────────────────────────────────────────────────────────────────────────────────────────────

_CHANNEL = re.compile(
    r"<\|channel\|>\s*(?P<name>\w+)[^<]{0,200}(?:<\|constrain\|>[^<]{0,80})?<\|message\|>"
    r"(?P<text>.*?)(?P<end><\|(?:end|return|call)\|>|(?=<\|start\|>|<\|channel\|>)|\Z)",
    re.DOTALL,
)
_CHANNELS_BEGIN = re.compile(r"\s*(?:<\|start\|>\s*\w*\s*)?<\|channel\|>")
_NEXT_CHANNEL = re.compile(r"<\|start\|>\s*assistant\s*<\|channel\|>")
_ONE_CHANNEL = re.compile(
    r"\s*<\|?channel\|?>\s*(?P<name>\w+)\s*\n?(?P<text>.*?)(?P<end><\|?channel\|?>|\Z)", re.DOTALL
)
_UNUSED = re.compile(
    r"\s*(?:<unused\d+>\s*(?:thought|thinking)\s*\n|\[unused\d+\])(?P<text>.*?)(?P<end>[<\[]unused\d+[>\]]|\Z)",
    re.DOTALL,
)
_UNUSED_END = re.compile(r"\[unused\d+\]\s*(?=\S)")


def _channels(text: str, whole: bool) -> Parted | None:
    """Return the parts of Harmony: the channel `final` is said, all others are thought (OpenAI, Harmony format)."""
    if _CHANNELS_BEGIN.match(text) or _NEXT_CHANNEL.search(text):
        found = list(_CHANNEL.finditer(text))
        if found:
            said = "".join(each["text"] for each in found if each["name"] == "final")
            before = text[: found[0].start()].split("<|end|>")[0].removesuffix("<|start|>assistant")
            thoughts = [before, *(each["text"] for each in found if each["name"] != "final")]
            return Parted(said.strip(), _joined(thoughts), unfinished=not said.strip())
        if _CHANNELS_BEGIN.match(text):
            return Parted("", text, unfinished=True)
    for pattern in (_ONE_CHANNEL, _UNUSED):
        if each := pattern.match(text):
            return Parted(text[each.end() :].lstrip(), each["text"].strip(), unfinished=not each["end"])
    if end := _UNUSED_END.search(text):  # The chat template has opened it.
        return Parted(text[end.end() :], text[: end.start()].strip())
    return None


_GLUED = re.compile(r"\s*(?:assistant)?(?:analysis|commentary)(?=[A-Z“\"'\s<*(\[]|[^\x00-\x7f])")
_GLUED_CUT = re.compile(r"\s*(?:assistant)?(?:analysis|commentary)(?=[A-Z])")
_GLUED_FINAL = re.compile(
    r"(?:assistant\s{0,2}final|(?<=[.!?…\"”)\n])final)(?=[A-Z“\"'\s<*({\[]|[^\x00-\x7f])"
)


def _words_of_channels(text: str, whole: bool) -> Parted | None:
    """Return the parts of Harmony whose control words were taken out: `analysis…assistantfinal…`."""
    begun = _GLUED.match(text)
    final = next(
        (found for found in _GLUED_FINAL.finditer(text) if begun or found[0].startswith("assistant")), None
    )
    if final and (begun or "assistantfinal" in final[0]):
        start = begun.end() if begun else 0
        return Parted(text[final.end() :].lstrip(), text[start : final.start()].strip())
    if cut := _GLUED_CUT.match(text):
        return Parted("", text[cut.end() :].strip(), unfinished=True)
    return None


# ── fences, hidden parts, labels ────────────────────────────────────────────────────────────────────────────────

_FENCE = re.compile(r"\s*(?P<fence>`{3,}|~{3,}|:{3,})[ \t]*(?P<name>[\w :-]{1,40}?)[ \t]*\n(?P<text>.*?)(?:\n[ \t]*(?P<end>(?P=fence))[ \t]*(?:\n|\Z)|\Z)", re.DOTALL)  # fmt: skip


def _fenced(text: str, whole: bool) -> Parted | None:
    found = _FENCE.match(text)
    if found is None:
        return None
    rest, names = text[found.end() :].lstrip(), [part.casefold() for part in _PART.findall(found["name"])]
    known = _kind(set(names)) in ("strong", "weak")
    unknown = found["end"] and not _OF_FILES & set(names) and _may_think("".join(names), names)
    if not known and not (unknown and _is_answer_after(found["text"], rest)):
        return None
    return Parted(rest, found["text"].strip(), unfinished=not found["end"])


_OF_FILES = frozenset(
    re.findall(
        r"\w+", "json json5 jsonc yaml toml text txt plaintext plain markdown md html xml latex tex python"
    )
)
"""What a fence says of the text inside it, where that is no name."""


_HIDDEN = (
    re.compile(
        r"\s*<details\b[^>]{0,200}>\s*(?:<summary>[^<]{0,200}</summary>)?(?P<text>.*?)(?:</details>|\Z)",
        re.DOTALL | re.IGNORECASE,
    ),
    re.compile(r"\s*<!--(?P<text>.*?)(?:-->|\Z)", re.DOTALL),
    re.compile(r"\s*[*_]{1,3}Think(?:ing)?[.…]*[*_]{1,3}\s*\n+(?P<text>(?:[ \t]*>[^\n]*(?:\n|\Z))+)"),
    re.compile(
        r"\s*>[ \t]*[*_#]{0,3}[ \t]*(?:Thinking|Thoughts?|Reasoning)(?: process)?\b[.…:*_]*"
        r"(?P<text>[^\n]*\n(?:[ \t]*>[^\n]*(?:\n|\Z))*)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\s*Thinking\s*(?:\.\.\.|…)\s*\n(?P<text>.*?)(?:\n\s*(?:\.\.\.|…)\s*done thinking\.?|\Z)", re.DOTALL
    ),
)
"""Parts that a page folds away, comments, and the forms of chat programs."""


def _hidden(text: str, whole: bool) -> Parted | None:
    found = next((each for pattern in _HIDDEN if (each := pattern.match(text))), None)
    if found is None:
        return None
    rest = text[found.end() :].lstrip()
    return Parted(rest, found["text"].strip(), unfinished=not rest)


_MARKS = r"[\s*_#>]*"
_REASONING = (
    r"(?:(?:thought|thinking|reasoning) process|thinking|thoughts?|reasoning|chain[- ]of[- ]thought"
    r"|(?:internal|inner|private) (?:monologue|thoughts?|reasoning|thinking)|scratch|step-by-step reasoning"
    r"|思考过程|思考過程|思考|推理过程|推理過程|推理|内心独白)"
)
_REPLY = r"(?:(?:final |my )?(?:answer|response|speech|reply|output|statement)|(?:最终|最終)?(?:回答|答案|回复|発言|发言|答复))"
_HERE = r"(?:here(?:['’]s| is) (?:my |the )?|my |the )?"
_LABEL = re.compile(
    rf"\A{_MARKS}{_HERE}{_REASONING}(?:[*_]{{0,3}}\s*[:：][*_]{{0,3}}|[*_]{{1,3}}\s*(?=\n)|(?<=\w)[ \t]*(?=\n))",
    re.IGNORECASE,
)
_SURE_LABEL = re.compile(rf"\A{_MARKS}here(?:['’]s| is) my {_REASONING}", re.IGNORECASE)
_REPLY_LABEL = re.compile(
    rf"(?:^[ \t*_#>]*{_HERE}{_REPLY}(?:[*_]{{0,3}}\s*[:：][*_]{{0,3}}|[*_]{{0,3}}[ \t]*$)|\bhere(?:['’]s| is) my {_REPLY}\s*[:：])",
    re.IGNORECASE | re.MULTILINE,
)


_PRIVATE_LABEL = re.compile(r"think|thought|internal|inner|private|思考|独白", re.IGNORECASE)
_MARKED_LABEL = re.compile(r"\A\s*(?:\*{2,}|_{2,}|#)")
_RULE = re.compile(r"^[ \t]*(?:-{3,}|\*{3,}|_{3,}|={3,})[ \t]*\n(?=\s*\S)", re.MULTILINE)


def _labelled(text: str, whole: bool) -> Parted | None:
    """Return the parts where both are labelled: `Here is my thought process: … Here is my response: …`."""
    label = _LABEL.match(text)
    if label is None:
        return None
    reply = _REPLY_LABEL.search(text, label.end())
    if reply is None and (_PRIVATE_LABEL.search(label[0]) or _MARKED_LABEL.search(label[0])):
        *_, reply = (None, *_RULE.finditer(text, label.end()))
    if reply:
        return Parted(text[reply.end() :].lstrip(), text[label.end() : reply.start()].strip())
    if _SURE_LABEL.match(text) or not whole:
        return Parted("", text[label.end() :].strip(), unfinished=True)
    return None


_HEADED = re.compile(
    r"\A\s*(?P<marks>[*_#=~\-]{1,6})[ \t]*(?P<name>[^\W\d_][^\W\d_ ]{1,30}(?: [^\W\d_]{1,30}){0,3})[ \t]*(?P<ends>[:：*_#=~\-]{0,8})[ \t]*"
)
_SPEECH_NAME = r"(?:(?:the |my )?(?:final |actual |public )?(?:speech|response|reply|output|statement)|final answer|发言|発言|回答|答复)"


def _headed(text: str, whole: bool) -> Parted | None:
    """Return the parts of a reply under two headings in the same marks, of which the second says that the speech begins:
    `***Pondering*** … ***Speech*** …`. The name of the first may be any that speeches have not.
    """
    first = _HEADED.match(text)
    if first is None or not (first["ends"] or text[first.end() :].startswith("\n")):
        return _under_labels(text)
    names = _names(first["name"])
    if not _may_think("".join(names), names):
        return None
    second = re.compile(
        rf"^[ \t]*{re.escape(first['marks'])}[ \t]*{_SPEECH_NAME}[ \t]*[:：*_#=~\-]{{0,8}}[ \t]*(?:\n|(?<=[:：*_=~])[ \t]*(?=\S))",
        re.IGNORECASE | re.MULTILINE,
    )
    found = second.search(text, first.end()) or _rule_in(text, first)
    return _split(text, first.end(), found)


def _rule_in(text: str, first: re.Match[str]) -> re.Match[str] | None:
    """Return the line that has nothing but the marks of a heading, and so ends the block under it."""
    marks = re.escape(first["marks"])
    return re.compile(rf"^[ \t]*{marks}[ \t]*\n(?=\s*\S)", re.MULTILINE).search(text, first.end())


_UNMARKED = re.compile(r"\A\s*(?P<name>[^\W\d_]{2,30}(?: [^\W\d_]{1,30}){0,2})[ \t]*[:：]\s*")
_SPEECH_LABEL = re.compile(
    r"^[ \t*_#]*(?:(?:the |my )?(?:final |actual )?speech)[*_]{0,3}[ \t]*[:：][*_]{0,3}",
    re.IGNORECASE | re.MULTILINE,
)


def _under_labels(text: str) -> Parted | None:
    """Return the parts where a label of any name comes first, and another says that the speech begins."""
    first = _UNMARKED.match(text)
    names = _names(first["name"]) if first else []
    if first is None or not _may_think("".join(names), names):
        return None
    return _split(text, first.end(), _SPEECH_LABEL.search(text, first.end()))


def _split(text: str, start: int, found: re.Match[str] | None) -> Parted | None:
    """Return the text from `start` to the mark as thought, and what comes after the mark as said."""
    if found is None:
        return None
    thought, rest = text[start : found.start()].strip(), text[found.end() :].lstrip()
    return Parted(rest, thought) if _is_answer_after(thought, rest) else None


_ASIDE_PAIRS = {"(": ")", "（": "）", "[": "]", "{": "}", "<": ">", "【": "】", "*": "*", "_": "_"}
_ASIDE = re.compile(
    rf"\A\s*[*_~]{{0,3}}?(?P<opens>[{re.escape(''.join(_ASIDE_PAIRS))}])[ \t]*(?:my |the )?"
    rf"(?:{_REASONING}|thinks|thinking to (?:my|it)self|to (?:my|it)self)\s*[:：]\s*",
    re.IGNORECASE,
)


def _aside(text: str, whole: bool) -> Parted | None:
    """Return the parts of a reply that begins with a labelled aside: `(Thinking: …)`, as a separate paragraph."""
    begun = _ASIDE.match(text)
    if begun is None:
        return _aside_of_any_name(text)
    end = re.compile(rf"{re.escape(_ASIDE_PAIRS[begun['opens']])}[*_~]{{0,3}}[ \t]*(?:\n|\Z)").search(
        text, begun.end()
    )
    if end is None:
        return None if whole else Parted("", text[begun.end() :].strip(), unfinished=True)
    rest = text[end.end() :].lstrip()
    return Parted(rest, text[begun.end() : end.start()].strip(), unfinished=not rest)


_ANY_ASIDE = re.compile(r"\A\s*(?P<opens>[(（\[{【])[ \t]*(?P<name>[^\W\d_]{2,30})[ \t]*[:：]\s*")


def _aside_of_any_name(text: str) -> Parted | None:
    """Return the parts of a reply whose first paragraph is a labelled aside in brackets, of a name that speeches have not."""
    begun = _ANY_ASIDE.match(text)
    names = _names(begun["name"]) if begun else []
    if begun is None or {"note", "notes", "nb"} & set(names) or not _may_think("".join(names), names):
        return None
    closes = re.escape(_ASIDE_PAIRS[begun["opens"]])
    return _split(
        text, begun.end(), re.compile(rf"{closes}[ \t]*\r?\n[ \t]*\r?\n(?=\s*\S)").search(text, begun.end())
    )


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────

_JSON = re.compile(r"\A\s*(?:```(?:json)?\s*)?(?P<object>\{.*\})\s*(?:```)?\s*\Z", re.DOTALL | re.IGNORECASE)
_JSON_CUT = re.compile(r'\A\s*(?:```(?:json)?\s*)?\{\s*"(?P<name>[\w -]{1,40})"\s*:\s*"', re.IGNORECASE)


def _json(text: str, whole: bool) -> Parted | None:
    """Return the parts of `{"thinking": "…", "speech": "…"}`: an object of reasoning and of one text besides."""
    found = _JSON.match(text)
    try:
        value = json.loads(found["object"], strict=False) if found else None
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        said = [item for name, item in value.items() if not _names_reasoning(name)]
        thought = [item for name, item in value.items() if _names_reasoning(name) and isinstance(item, str)]
        texts = len(said) == 1 and isinstance(said[0], str) and len(thought) == len(value) - 1
        return Parted(said[0], _joined(thought)) if thought and texts else _of_a_speech(value)
    cut = _JSON_CUT.match(text)
    if whole or cut is None or not _names_reasoning(cut["name"]) or re.search(r'",\s*"', text):
        return None
    return Parted("", text[cut.end() :].strip(), unfinished=True)


_SPOKEN = frozenset({"speech", "statement", "argument", "rebuttal"})


def _of_a_speech(value: Mapping[str, Any]) -> Parted | None:
    """Return the parts of an object of texts, one of which is named a speech and the others as nothing in particular."""
    spoken = [name for name in value if name.casefold() in _SPOKEN]
    others = [name for name in value if name not in spoken]
    parts = {name: [part.casefold() for part in _PART.findall(name)] for name in others}
    if len(spoken) != 1 or not others or not all(isinstance(item, str) for item in value.values()):
        return None
    if not all(_may_think("".join(names), names) for names in parts.values()):
        return None
    return Parted(value[spoken[0]], _joined([value[name] for name in others]))


def _names_reasoning(name: str) -> bool:
    return _kind({part.casefold() for part in _PART.findall(name)}) in ("strong", "weak", "notes")


# ── any other marks ─────────────────────────────────────────────────────────────────────────────────────────────

_WORDS_OF_A_NAME = r"(?P<name>[^\W\d_](?:[\w \t-]{0,38}?[^\W_])?)"
_MARKED_OPEN = re.compile(
    rf"\A\s*(?P<opens>[^\w\s]{{1,12}})[ \t]*(?:(?:begin|start)[ \t_-]*(?:of[ \t_-]+)?)?[{{(]?{_WORDS_OF_A_NAME}"
    r"[ \t]*(?P<closes>[^\w\s]{1,12}|(?=\n))",
    re.IGNORECASE,
)
_MARK = r"[^\w\s.,;!?…\"“”'’]"
_MARKED_CLOSE = re.compile(
    rf"(?:(?<={_MARK})[ \t]{{0,8}}(?:end|stop|close)[ \t_-]{{0,8}}(?:of[ \t_-]{{1,8}})?[{{(]?|[/\\](?!end|stop|close)[ \t]{{0,8}})"
    rf"{_WORDS_OF_A_NAME}[ \t]*(?:[^\w\s]{{1,12}}|(?=\n|\Z))",
    re.IGNORECASE,
)
_MARKS_BEFORE = re.compile(rf"{_MARK}{{1,12}}[ \t]{{0,8}}\Z")


def _marked_off(text: str, whole: bool) -> Parted | None:
    """Return the parts of a named block in any other marks: `((think)) … ((/think))`, `--- BEGIN THOUGHT --- …`.

    It must be closed by its name, or have its line to itself where the text broke off.
    """
    opening, quoted = _MARKED_OPEN.match(text), _quotations(text)
    core = _core(opening["name"]) if opening else ""
    if opening and not core:
        return _marked_off_unknown(text, opening, quoted)
    for found in _MARKED_CLOSE.finditer(text, opening.end() if opening else 0):
        inside = any(start <= found.start() < end for start, end in quoted)
        if inside or not (closing := _core(found["name"])):
            continue
        marks = _MARKS_BEFORE.search(text, max(found.start() - 20, 0), found.start())
        at = marks.start() if marks else found.start()
        alone = not text[text.rfind("\n", 0, at) + 1 : at].strip() and text[found.end() :][:1] in ("", "\n")
        if (opening and closing == core) or (alone and _kind({closing}) == "strong"):
            start = opening.end() if opening and core else 0
            rest = text[found.end() :].lstrip()
            return Parted(rest, text[start:at].strip(), unfinished=not rest)
    own_line = (
        opening is not None and opening["closes"] and text[opening.end() :].lstrip(" \t").startswith("\n")
    )
    if opening and own_line and not whole and _kind({core}) == "strong":
        return Parted("", text[opening.end() :].strip(), unfinished=True)
    return None


def _marked_off_unknown(text: str, opening: re.Match[str], quoted: list[tuple[int, int]]) -> Parted | None:
    """Return the parts where a block of no known name is closed by that name, marks around both."""
    names = _names(opening["name"])
    if not _may_think("".join(names), names) or _TYPED.search(opening["opens"]) or not opening["closes"]:
        return None
    for found in _MARKED_CLOSE.finditer(text, opening.end()):
        marks = _MARKS_BEFORE.search(text, max(found.start() - 20, 0), found.start())
        inside = any(start <= found.start() < end for start, end in quoted)
        goes_on = _CONTINUES.match(text, found.end()) or text[found.end() - 1].isalnum()
        if inside or not marks or goes_on or _names(found["name"]) != names:
            continue
        thought, rest = text[opening.end() : marks.start()].strip(), text[found.end() :].lstrip()
        return Parted(rest, thought) if _is_answer_after(thought, rest) else None
    return None


_TYPED = re.compile(r"[\"'“”‘’*_`]")
"""Marks that words of a sentence have too."""


def _names(name: str) -> list[str]:
    parts = [part.casefold() for part in _PART.findall(name)]
    return [part for part in parts if part not in _BEGINS | _ENDS | {"of", "the", "my"}]


def _core(name: str) -> str:
    """Return the name of a block of reasoning in small letters, in one word; nothing for any other name."""
    named = _names(name)
    return "".join(named) if _kind({*named, "".join(named)}) in ("strong", "weak") else ""


# ── names that are not known ────────────────────────────────────────────────────────────────────────────────────

_FEW = 5
"""Words from which on the text after a block is an answer, however long the block is."""
_WORD = re.compile(r"[^\W\d_]+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def _named(text: str) -> Parted | None:
    """Return the parts of a reply that has a named block before its answer, whatever its name and its brackets:
    whole, ended by what opens the answer, or only closed. It counts where enough text comes after it.
    """
    tags = list(_tags(text))
    quoted = _quotations(text) if tags else []
    named = [tag for tag in tags if tag.kind != "format" and not _within(tag, quoted)]
    if not named:
        return None
    begun = _LEAD.match(text)
    first = named[0]
    if first.start <= (begun.end() if begun else 0) and not first.closes:
        return _named_block(text, first, named[1:])
    return _named_end(text, named)


def _named_block(text: str, opening: _Tag, later: Collection[_Tag]) -> Parted | None:
    if not _thinks(opening):
        return None
    same = [tag for tag in later if tag.core == opening.core]
    closing = next((tag for tag in same if tag.closes), None)
    if closing is None:
        closing = next((tag for tag in later if tag.closes and tag.core in _ENDS), None)
    answer = next((tag for tag in later if tag.kind == "answer" and not tag.closes), None)
    if answer and (closing is None or answer.start < closing.start):
        return _ended(text, opening, answer.start, answer.start)
    if closing is None and opening.brackets in _OF_TEMPLATES:
        closing = next(
            (tag for tag in later if tag.brackets in _OF_TEMPLATES and tag.core not in _ROLES), None
        )
    if closing is None or _goes_on(text, closing):
        return None
    return _ended(text, opening, closing.start, closing.end)


_OF_TEMPLATES = ("<|", "<｜")
"""Brackets of the control words of chat templates: no speech has any, so that the next one ends a block."""
_ROLES = frozenset({"user", "system", "tool", "human", "developer"})


def _ended(text: str, opening: _Tag, end: int, goes_on: int) -> Parted | None:
    thought, rest = text[opening.end : end].strip("*_ \t\r\n"), text[goes_on:].lstrip()
    begun = re.search(r"[*_]{1,3}\Z", text[: opening.start])
    rest = rest.removeprefix(begun[0]).lstrip() if begun else rest
    return Parted(_answer_begun(rest), thought) if _is_answer_after(thought, rest) else None


_LEFT_MARKS = re.compile(r"\A(?:[*_]{2,3}(?=\s)|[*_](?=[ \t]*\n))\s*")
"""The other half of the marks around a tag that was taken out."""


def _answer_begun(rest: str) -> str:
    """Return an answer after a block of thinking, without the tag that opens it, in whatever brackets, closed or not."""
    said = _answer(_LEFT_MARKS.sub("", rest))
    opening = next(_tags(said), None)
    begins = opening is not None and opening.kind == "answer" and not opening.closes and opening.start == 0
    return said[opening.end :].lstrip(" \t*_:\r\n") if opening and begins else said


def _named_end(text: str, tags: Collection[_Tag]) -> Parted | None:
    """Return the parts where a block is only closed, because the chat template has opened it."""
    opened: set[str] = set()
    for tag in tags:
        if not tag.closes:
            opened.add(tag.core)
            continue
        if (
            tag.core in opened
            or not _thinks(tag)
            or text[: tag.end].rstrip("|｜>]}▷）)＞").endswith(("/", "／"))
        ):
            continue
        if _mid_sentence(text, tag) or _goes_on(text, tag):
            continue
        thought, rest = text[: tag.start].strip(), text[tag.end :].lstrip()
        return Parted(_answer(rest), thought) if thought and _is_answer_after(thought, rest) else None
    return None


def _thinks(tag: _Tag) -> bool:
    """Return whether a block may be thinking: its name is none that prompts ask for, or that speeches have."""
    return tag.kind in ("strong", "weak", "other") and _may_think(tag.core, tag.parts)


def _may_think(core: str, names: Collection[str]) -> bool:
    """Return whether a block of this name may be thinking, in one word and in its parts."""
    known = _OF_SPEECHES | _FORMAT | _QUOTE | _NOTES
    spoken = (
        bool(known & {core, *names})
        or _kind({core, *names}) == "answer"
        or bool(get_close_matches(core, _ASKED_FOR, 1, 0.8))
    )
    return len(core) > 1 and not spoken and not core.isdigit()


_ASKED_FOR = ("quote", "quotes", "quotation", "scratchpad", "vquote", "uquote")


_CONTINUES = re.compile(r"[ \t]*[,;.:!?)’'a-zà-öø-ÿа-я]")


def _goes_on(text: str, tag: _Tag) -> bool:
    """Return whether a sentence goes on after a tag."""
    return _CONTINUES.match(text, tag.end) is not None


def _is_answer_after(thought: str, rest: str) -> bool:
    """Return whether the text after a block is an answer, and no few words after what is itself the answer."""
    before, after = _length(thought), _length(rest)
    proves = _CLEAN_QUOTE.search(thought) and not _CLEAN_QUOTE.search(rest) and after < before
    return before > 1 and after > 1 and (after >= _FEW or after >= before) and not proves


def _length(text: str) -> int:
    """Return the words of a text; a character of a script without spaces is half of one."""
    unspaced = len(_UNSPACED.findall(text))
    return len(_WORD.findall(_UNSPACED.sub(" ", text))) + unspaced // 2


# ── what is not known ───────────────────────────────────────────────────────────────────────────────────────────


def has_unknown_wrapper(said: str) -> bool:
    """Return whether a text begins with a named block in brackets that is of no known kind, or has tags or labels of
    thinking left in it, outside of quotes.
    """
    tags, quoted = list(_tags(said)), _quotations(said)
    closed = {tag.core for tag in tags if tag.closes}
    if (cut := _JSON_CUT.match(said)) and _names_reasoning(cut["name"]):
        return True
    if any(tag.reasons and _is_markup(tag, closed) and not _within(tag, quoted) for tag in tags):
        return True
    begun = _LEAD.match(said)
    first = next((tag for tag in tags if tag.start <= (begun.end() if begun else 0)), None)
    if first and first.kind == "strong":
        return True
    if first and not first.closes and first.kind in ("other", "answer", "weak"):
        return _is_markup(first, closed) or (_thinks(first) and _alone(said, first))
    return bool(_LABEL.match(said)) or bool(_FENCE.match(said))


def _is_markup(tag: _Tag, closed: set[str]) -> bool:
    """Return whether a bracketed name is markup: words in square brackets are, where they are closed."""
    return tag.brackets in ("<", "<|", "<｜", "◁", "&lt;") or tag.core in closed
