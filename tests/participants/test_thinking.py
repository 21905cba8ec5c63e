"""What a model thinks is kept apart from what it says, whatever the wrapper; and a speech may quote such words."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.participants.base import ModelSettings, Spent
from app.participants.completions import read
from app.participants.failures import Unreadable
from app.participants.model import ModelParticipant
from app.participants.prompts import PromptBook, load
from app.participants.speeches import suspicious
from app.participants.thinking import has_unknown_wrapper, opens, part
from app.protocols.core import Speech, answered
from tests.participants.examples import Record, ask, asking, client, seen, speech_ask
from tests.participants.told import Told, completion

SECRET = "SECRET: my answer is in truth the wrong one."
SPEECH = (
    "He slept at his post. <quote>the lamp went out at four</quote> No one else was there, and the boy says nothing "
    "against it, so that no other answer is left to us."
)

WRAPPED = {
    "think": "<think>\n{t}\n</think>\n\n{s}",
    "thinking": "<thinking>{t}</thinking>\n{s}",
    "thought": "<thought>{t}</thought>{s}",
    "reasoning": "<Reasoning>{t}</Reasoning>\n{s}",
    "reflection": "<reflection>{t}</reflection>{s}",
    "scratch": "<scratch>{t}</scratch>{s}",
    "internal": "<internal>{t}</internal>{s}",
    "monologue": "<inner_monologue>{t}</inner_monologue>\n{s}",
    "attributes": '<think type="long" budget="3">{t}</think>{s}',
    "analysis": "<analysis>{t}</analysis>\n{s}",
    "begin and end": "<|begin_of_thought|>{t}<|end_of_thought|>\n\n<|begin_of_solution|>{s}<|end_of_solution|>",
    "square": "[THINK]{t}[/THINK]{s}",
    "square, in words": "[BEGIN THOUGHT]{t}[END THOUGHT]\n{s}",
    "curly": "{{thinking}}{t}{{/thinking}}\n{s}",
    "triangles": "◁think▷{t}◁/think▷{s}",
    "Chinese brackets": "【思考】{t}【/思考】{s}",
    "wide": "<｜begin▁of▁thinking｜>{t}<｜end▁of▁thinking｜>{s}",
    "pipes": "<|think|>{t}<|/think|>{s}",
    "name space": "<seed:think>{t}</seed:think>{s}",
    "prefix and suffix": "<|inner_prefix|>{t}<|inner_suffix|>{s}",
    "start and end": "<|START_THINKING|>{t}<|END_THINKING|><|START_RESPONSE|>{s}<|END_RESPONSE|>",
    "entities": "&lt;think&gt;{t}&lt;/think&gt;{s}",
    "camel": "<antThinking>{t}</antThinking>{s}",
    "bold": "**<thinking>**{t}</thinking>\n{s}",
    "another closing name": "<thinking>{t}</think>{s}",
    "one in another": "<think>a<think>b</think>{t}</think>{s}",
    "several": "<think>{t}</think>\n<reflection>{t}</reflection>\n[THINK]{t}[/THINK]\n{s}",
    "a quote in it": "<think>I have <quote>these words</quote>. {t}</think>{s}",
    "a tag in it": "<think>I must use <quote> tags. {t}</think>{s}",
    "answer tags": "<thinking>{t}</thinking>\n<answer>{s}</answer>",
    "never closed before the answer": "<think>{t}\n<answer>{s}</answer>",
    "only closed": "{t}\n</think>\n\n{s}",
    "only closed, square": "{t}[/THINK]{s}",
    "only closed, glued": "well let me see {t}</thinking>{s}",
    "only closed, a tag in it": "I use <quote> here. {t}</think>{s}",
    "Harmony": "<|channel|>analysis<|message|>{t}<|end|><|start|>assistant<|channel|>final<|message|>{s}<|return|>",
    "Harmony, commentary": "<|channel|>analysis<|message|>{t}<|end|><|start|>assistant<|channel|>commentary to=functions.x "
    "<|constrain|>json<|message|>{t}<|call|><|start|>assistant<|channel|>final<|message|>{s}",
    "Harmony, opened by the template": "{t}<|end|><|start|>assistant<|channel|>final<|message|>{s}",
    "Harmony, stripped": "analysis{t}assistantfinal{s}",
    "Harmony, stripped, more": "analysisWe need to. {t}assistantcommentary{t}assistantfinal{s}",
    "Harmony, stripped, opened": "{t}assistantfinal{s}",
    "one-sided channels": "<|channel>thought\n{t}<channel|>{s}",
    "unused": "<unused94>thought\n{t}<unused95>{s}",
    "Granite": "Here is my thought process:\n{t}\n\nHere is my response:\n{s}",
    "labels": "**Thinking:** {t}\n\n**Answer:** {s}",
    "headings": "## Reasoning\n{t}\n\n## Speech\n{s}",
    "fenced": "```thinking\n{t}\n```\n{s}",
    "folded": '<details type="reasoning" done="true">\n<summary>Thought for 3 seconds</summary>\n{t}\n</details>\n{s}',
    "comment": "<!-- {t} -->\n{s}",
    "chat": "*Thinking...*\n> {t}\n\n{s}",
    "round": "(think){t}(/think){s}",
    "round, twice": "((think)) {t} ((/think)) {s}",
    "dollars": "$think${t}$/think$\n{s}",
    "lines": "--- BEGIN THOUGHT ---\n{t}\n--- END THOUGHT ---\n{s}",
    "equals signs": "=== THINKING ===\n{t}\n=== END THINKING ===\n\n{s}",
    "lines, only closed": "{t}\n--- END OF THOUGHT ---\n{s}",
    "LaTeX": "\\begin{{thinking}}{t}\\end{{thinking}}\n{s}",
    "colons": ":::thinking\n{t}\n:::\n{s}",
    "unused, square": "[unused16]{t}[unused17]{s}",
    "unused, only closed": "{t}[unused17]{s}",
    "a slash at the end": "<think>{t}<think/>{s}",
    "escaped characters": "\\u003cthink\\u003e{t}\\u003c/think\\u003e{s}",
    "an invisible character": "<\u200bthink>{t}</\u200bthink>{s}",
    "an aside": "(Thinking: {t})\n\n{s}",
    "an aside in italics": "*(Internal thought: {t})*\n\n{s}",
    "stars": "*thinks: {t}*\n\n{s}",
    "a quotation": "> **Thinking**\n> {t}\n\n{s}",
    "a rule": "Thinking Process:\n\n1. {t}\n\n---\n\n{s}",
    "Chinese labels": "思考过程：{t}\n\n回答：{s}",
    "German": "<Denken>{t}</Denken>{s}",
    "Russian": "<размышление>{t}</размышление>{s}",
    "Korean": "<생각>{t}</생각>{s}",
    "steps": "<step_by_step>{t}</step_by_step>\n{s}",
    "a box": "<think>{t}</think><|begin_of_box|>{s}<|end_of_box|>",
    "content": "<|think|>{t}<|end|><|content|>{s}",
    "JSON": '{{"thinking": "{t}", "speech": "{s}"}}',
    "JSON in a fence": '```json\n{{"internal_reasoning": "{t}", "answer": "{s}"}}\n```',
    "an unknown name": "<musing>{t}</musing>\n{s}",
    "an unknown name, glued": "<musing>{t}</musing>{s}",
    "an unknown name, attributes": '<musing mode="deep">{t}</musing>{s}',
    "an unknown name, entities": "&lt;musing&gt;{t}&lt;/musing&gt;{s}",
    "an unknown name, name space": "<x:musing>{t}</x:musing>{s}",
    "an unknown name, answer tags": "<musing>{t}</musing>\n<answer>{s}</answer>",
    "an unknown name, never closed before the speech": "<musing>\n{t}\n<speech>\n{s}",
    "two unknown names": "<musing>{t}</musing>\n<doubts>{t}</doubts>\n{s}",
    "an unknown name in another tongue": "<cogitation>{t}</cogitation>{s}",
    "an unknown name, double brackets": "[[scratch]]{t}[[/scratch]]{s}",
    "an unknown name, square": "[MUSE]{t}[/MUSE]\n{s}",
    "an unknown name, curly": "{{muse}}{t}{{/muse}}\n{s}",
    "an unknown name, triangles": "◁hm▷{t}◁/hm▷{s}",
    "an unknown name, Chinese": "【内心】{t}【/内心】{s}",
    "an unknown name, bold": "**[musing]** {t} **[/musing]**\n{s}",
    "an unknown name, round": "((muse)){t}((/muse))\n{s}",
    "an unknown name, lines": "--- BEGIN MUSE ---\n{t}\n--- END MUSE ---\n{s}",
    "an unknown name, percent signs": "%%musing%%{t}%%/musing%%{s}",
    "an unknown name, fenced": "```musing\n{t}\n```\n{s}",
    "an unknown name, JSON": '{{"musing": "{t}", "speech": "{s}"}}',
    "a bare name, then the speech": "{{analysis}}\n{t}\n{{speech}}\n{s}",
    "control words": "<|any_name|>{t}<|final|>{s}",
    "control words, an end": "<|any_name|>{t}<|end|><|final|>{s}",
    "control words, a named end": "<|any_name|>{t}<|end_any_name|>{s}",
    "control words, another word": "<|any_name|>{t}<|other|>{s}",
    "an unknown name, only closed": "{t}\n</musing>\n\n{s}",
    "an unknown name, only closed, glued": "{t}</musing>{s}",
    "an unknown name, only closed, square": "{t}[/MUSE]\n{s}",
    "an unknown name, only ended": "{t}<|end_musing|>{s}",
    "starred headings": "***Reasoning***\n{t}\n\n***Speech***\n{s}",
    "unknown headings": "***Pondering***\n{t}\n\n***Speech***\n{s}",
    "unknown headings, with colons": "**Pondering:** {t}\n\n**Speech:** {s}",
    "unknown headings, hashes": "### Pondering\n{t}\n\n### Speech\n{s}",
    "unknown headings, equals signs": "== Pondering ==\n{t}\n== Speech ==\n{s}",
    "starred heading and rule": "***Reasoning***\n{t}\n***\n{s}",
    "unknown heading and rule": "***Pondering***\n{t}\n***\n{s}",
    "unknown label": "Musing: {t}\n\nSpeech: {s}",
    "unknown aside": "(Musing: {t})\n\n{s}",
    "a plan of the speech": "<speech_plan>{t}</speech_plan>\n{s}",
    "a draft of the speech": "<draft_speech>{t}</draft_speech>\n{s}",
    "a strategy": "<answer_strategy>{t}</answer_strategy>\n<answer>{s}</answer>",
    "an unknown name, two words": "«мысль вслух»{t}«/мысль вслух»{s}",
    "an unknown name, begin and end": "[BEGIN MUSING]{t}[END MUSING]\n{s}",
    "an unknown name, line ends": "<musing>\r\n{t}\r\n</musing>\r\n\r\n{s}",
    "terminal": "Thinking...\n{t}\n...done thinking.\n\n{s}",
}


@pytest.mark.parametrize("form", WRAPPED.values(), ids=WRAPPED)
def test_a_wrapper_of_any_kind_leaves_only_the_speech(form):
    parted = part(form.format(t=SECRET, s=SPEECH))
    assert parted.said.strip() == SPEECH
    assert SECRET in parted.thought
    assert not parted.unfinished
    assert not has_unknown_wrapper(parted.said)


@pytest.mark.parametrize(
    "text",
    [
        "<think>\n{t}", "[THINK]{t}", "◁think▷{t}", "analysisWe {t}", "<|channel|>analysis<|message|>{t}", "<|channel|>analysis",
        "```thinking\n{t}", "<|START_THINKING|>{t}", "Here is my thought process: {t}", "<thinking>{t} <quote>some words",
        "<think>a</think><think>{t}", "**Thinking:** {t}", "<|channel>thought\n{t}", '{{"thinking": "{t}',
        "--- BEGIN THOUGHT ---\n{t}", "(Thinking: {t}", "[unused16]{t}", "<details><summary>Thoughts</summary>{t}",
    ],
)  # fmt: skip
def test_a_reply_that_ends_inside_its_thinking_says_nothing(text):
    parted = part(text.format(t=SECRET), whole=False)
    assert (parted.said, parted.unfinished) == ("", True)


LEGAL = [
    SPEECH,
    "The sign said <think> and nothing more.",
    "He wrote </think> in the log, and </thinking> too.",
    "My opponent points to <quote>the words <think>slow</think> were carved</quote>. They prove nothing.",
    "<quote>[THINK]stop[/THINK]</quote> stood on the wall. So it holds.",
    "The robot printed “<thinking>I am hungry</thinking>” on its screen. So it holds.",
    'The robot printed "[THINK]" there. So "[/THINK]" stands too.',
    "The page has `</think>` in it. The rest of the page does not.",
    "Analysis of the passage shows it. The final word is his.",
    "analysis of the passage shows it. In the final part he says so.",
    "My reasoning is this: he slept.\nThe answer: he slept.",
    "[Reflection] The keeper slept.",
    "(Reflection) The keeper slept, and/or thinking.",
    "--- The lamp ---\nHe was reading/thinking. So it holds.",
    '{"A": 70, "B": 30}',
    '{"reasoning": "He slept.", "A": 70, "B": 30}',
    '{"items": ["one", "two"]}',
    "> The lamp went out\n\nSo it holds.",
    "He slept.\n\n---\n\nSo it holds.",
    "*He* slept: (thinking of home) he did not see it.",
    "Here is my answer: he slept. Here is why.",
    "I think (and so did he) that [the boy] slept {all night}.",
    "「<think>」と書かれていた。だから彼は眠っていた。",
    "<b>He slept.</b> The page has <marquee>Welcome.</marquee> in its middle, and [url=x]a link[/url] too, and that is all.",
    "<marquee>Welcome here</marquee> is what the page said, and so it holds for all of us today.",
    "<p>He slept at his post all night.</p>\n<p>No one else was there to see it, and so it holds.</p>",
    "<evidence>the lamp went out at four</evidence>\nThis proves that he slept at his post that night.",
    "<qoute>the lamp went out at four</qoute> So it holds, and nothing speaks against it at all.",
    "<poem>The lamp went out at four, and all the keepers slept, and no one saw the ship.</poem>\nThe end.",
    "<keeper>He slept, for <quote>the lamp went out at four</quote>, and no one saw it.</keeper>\nSo it all holds as I say.",
    "[quote=keeper]the lamp went out[/quote] So it holds, and nothing speaks against it at all.",
    "**Introduction**\nThe keeper slept at his post.\n\n**Final statement**\nSo it holds, and nothing speaks against it.",
    "He wrote <custom>a word</custom> into the log, and the boy saw </custom> on the wall. So it holds, and no more.",
    "The screen showed <boot>\nloading</boot>\nand then nothing. So it holds, and no more can be said.",
    "```\nthe lamp went out\n```\nHe slept, and nothing speaks against it at all here.",
    '```json\n{"A": 70}\n```\nHe slept, and nothing speaks against it at all here.',
    "<doubts>He slept at his post, and no one else was there to see it.</doubts>",
    "[Debater A]\nHe slept at his post, and no one else was there to see it.",
    "[Opening statement]\nHe slept at his post, and no one else was there to see it.",
    "(Note: the keeper is old.)\n\nHe slept at his post, and no one else was there to see it.",
    "[The keeper: an old man.]\nHe slept at his post, and no one else was there to see it.",
    "Claim: he slept at four.\n\nResponse: no one else was there to see it, and so it holds.",
    '{"title": "My case", "text": "He slept"}',
    '{"answer": "A", "confidence": "70"}',
    "<A>50</A><B>30</B><C>20</C>",
]


@pytest.mark.parametrize("text", LEGAL)
def test_a_speech_may_quote_such_words(text):
    assert part(text).said == text


WORDS = st.sampled_from(
    [
        "the",
        "keeper",
        "slept",
        ".",
        "\n",
        " ",
        "final",
        "analysis",
        "“",
        "”",
        "`",
        "answer",
        "I think",
        "thinking",
    ]
)


@given(
    st.lists(WORDS, max_size=12).map(" ".join),
    st.sampled_from(["think", "thinking", "reasoning", "THINK", "thought"]),
)
def test_a_quote_of_any_wrapper_leaves_any_speech_as_it_is(words, name):
    for opened, closed in (
        (f"<{name}>", f"</{name}>"),
        (f"[{name}]", f"[/{name}]"),
        (f"◁{name}▷", f"◁/{name}▷"),
    ):
        text = f"The keeper slept. <quote>it has {opened}stop{closed} on it</quote> {words.replace('`', '')}"
        if "“" in words or "”" in words:
            continue
        assert part(text).said == text


PIECES = st.lists(
    st.sampled_from(
        ["<think>", "</think>", "[THINK]", "[/THINK]", "<|channel|>", "analysis", "<|message|>", "<|end|>", "final", "assistant",
         "<answer>", "</answer>", "```thinking\n", "```", "He slept.", "\n", " ", "<quote>", "</quote>", "a", "◁think▷", "<x>", "<!--"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


@given(PIECES, st.booleans())
@example("<think></think><think>", False)
def test_what_was_parted_stays_as_it_is(text, whole):
    once = part(text, whole=whole)
    assert part(once.said, whole=whole).said == once.said


@given(
    st.text(max_size=60).filter(lambda text: "think" not in text.casefold()),
    st.sampled_from([*WRAPPED.values()]),
)
def test_no_word_of_a_thought_is_ever_said(noise, form):
    plain = "".join(char for char in noise if char.isalnum() or char == " ")
    assert "SECRET" not in part(form.format(t=f"{plain} {SECRET}", s=SPEECH)).said


@pytest.mark.parametrize(
    ("text", "flagged"),
    [
        ("<muse>He lies.\nHe slept.", True),
        ("<muse>He lies, and all that I say of him is a lie.</muse>\nYes.", True),
        ("◁hm▷He lies. He slept.", True),
        ("{analysis}\nHe lies.\n\nHe slept.", True),
        ("[Musing]\nHe lies.\n\nHe slept.", True),
        ("[Opening statement]\nHe slept.", False),
        ("<|hm|>He slept.", True),
        ("Reasoning: he lies.\nHe slept.", True),
        ("```hm\nHe lies.\nHe slept.", True),
        ("He slept, and <think> is no word.", True),
        ("<quote>the lamp went out at four</quote> He slept.", False),
        ("<b>He slept.</b>", False),
        ("[The boy] slept.", False),
        ("He slept: <quote>it has <think> on it</quote>.", False),
    ],
)
def test_what_looks_like_a_wrapper_and_is_not_known_is_flagged(text, flagged):
    assert has_unknown_wrapper(part(text).said) is flagged
    found = set(suspicious(text, "Debater A"))
    assert bool(found & {"unknown_wrapper", "chat_template"}) is flagged


@pytest.mark.parametrize(
    "token", ["<think>", "<|channel|>", "[THINK]", "◁think▷", "<thinking>", "<|START_THINKING|>", " <think>"]
)
def test_a_first_token_may_begin_thinking(token):
    assert opens(token)
    assert not opens("A")
    assert not opens(" The")


# ── bodies ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("message", "thought"),
    [
        ({"content": SPEECH}, None),
        ({"content": [{"type": "text", "text": SPEECH}]}, None),
        ({"content": [{"type": "output_text", "text": SPEECH, "annotations": []}]}, None),
        ({"content": ["He slept at his post. ", SPEECH.removeprefix("He slept at his post. ")]}, None),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": SECRET}]}, {"type": "text", "text": SPEECH}]}, SECRET),
        ({"content": [{"type": "reasoning", "summary": [{"text": SECRET}]}, {"type": "text", "text": SPEECH}]}, SECRET),
        ({"content": [{"type": "reasoning_text", "text": SECRET}, {"type": "text", "text": {"value": SPEECH}}]}, SECRET),
        ({"content": [{"type": "tool_use", "text": SECRET}, {"type": "text", "text": SPEECH}]}, None),
        ({"content": SPEECH, "reasoning": SECRET}, SECRET),
        ({"content": SPEECH, "reasoning_content": SECRET}, SECRET),
        ({"content": SPEECH, "thinking": SECRET}, SECRET),
        ({"content": SPEECH, "reasoning": SECRET, "reasoning_details": [{"type": "reasoning.text", "text": SECRET}]}, SECRET),
        ({"content": SPEECH, "reasoning_details": [{"type": "reasoning.summary", "summary": SECRET}]}, SECRET),
        ({"content": SPEECH, "thinking_blocks": [{"type": "thinking", "thinking": SECRET, "signature": "x"}]}, SECRET),
        ({"content": f"<think>{SECRET}</think>{SPEECH}"}, SECRET),
    ],
)  # fmt: skip
def test_a_body_is_parted_into_speech_and_thinking(message, thought):
    body = completion(None)
    body["choices"][0]["message"] = message
    body["usage"]["completion_tokens_details"] = {"reasoning_tokens": 12}
    reply = read(body)
    assert reply.text == SPEECH
    assert reply.sent.get("reasoning") == thought
    expected = None if thought is None else {"characters": len(SECRET), "tokens": 12}
    assert reply.sent.get("thinking") == expected


@pytest.mark.parametrize(
    "body",
    [
        completion(None, "length", reasoning_content=SECRET),
        completion("", "length", reasoning=SECRET),
        completion(f"<think>{SECRET}", "length"),
        completion([{"type": "thinking", "thinking": SECRET}], "length"),
        completion(f"<|channel|>analysis<|message|>{SECRET}", "length"),
        completion("", "length"),
    ],
)
def test_a_reply_cut_off_inside_its_thinking_says_what_to_do_and_is_not_tried_again(body):
    with pytest.raises(Unreadable) as raised:
        read(body)
    assert "raise max_tokens, or switch thinking off" in raised.value.advice
    assert (raised.value.again, raised.value.spent) == (False, True)


# ── in a seat ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", WRAPPED.values(), ids=WRAPPED)
async def test_thinking_reaches_neither_the_speech_nor_a_judge(form):
    record = Record()
    async with (
        Told(lambda body: completion(form.format(t=SECRET, s=SPEECH))) as server,
        client(server.base_url) as endpoint,
    ):
        debater = ModelParticipant(ModelSettings(model="m"), "big", endpoint)
        speech = await debater.answer(seen(speech_ask()), asking(record))
    assert isinstance(speech, Speech)
    assert (speech.said.text, speech.scratchpad, speech.asked) == (
        SPEECH.replace("<quote>", "").replace("</quote>", ""),
        "",
        1,
    )
    moved = answered(speech_ask(), speech)
    judge = seen(ask("belief", "belief", shows=((moved.path,),)), [moved])
    book = PromptBook(load({}, "debate"))
    assert "SECRET" not in "".join(segment.text for segment in book.segments("debate", judge))
    (ending,) = record.endings
    assert ending.reply is not None
    assert SECRET in ending.reply["reasoning"]


async def test_a_reply_cut_off_inside_its_thinking_fails_at_once():
    record = Record()
    async with (
        Told(lambda body: completion(f"<think>{SECRET}", "length")) as server,
        client(server.base_url) as endpoint,
    ):
        debater = ModelParticipant(ModelSettings(model="m"), "big", endpoint)
        with pytest.raises(Spent, match="raise max_tokens, or switch thinking off"):
            await debater.answer(seen(speech_ask()), asking(record))
    assert len(server.asked) == 1
