"""A plan that is not between the tags for it is flagged, and the speech asked for once more."""

import pytest

from app.participants.base import ModelSettings
from app.participants.model import ModelParticipant
from app.participants.planning import is_planned_aloud
from app.protocols.core import Speech
from tests.participants.examples import Record, asking, client, seen, speech_ask
from tests.participants.told import Told, completion

SPEECH = (
    "He slept at his post. <quote>the lamp went out at four</quote> No one else was there, and the boy says nothing "
    "against it, so that no other answer is left to us."
)
PLANNED = [
    "Okay, let me think about this. The keeper", "Plan:\n1. Say who\n2. Quote", "**Plan**\n- the log", "## Plan\nthe log",
    "Step 1: identify the quotes.", "Step one - find quotes", "Let me plan my speech.", "Let's think step by step.",
    "I need to argue that the keeper slept.", "We need to produce a speech.", "The user wants me to argue", "My task is to defend",
    "Alright, so I need to convince the judge", "(1) The judge must know that the log", "First, let me find quotes that",
    "Here is my plan:\n", "Outline:\n- the log", "Hmm, this is hard.", "I should quote the log. My assigned answer is wrong.",
    "好的，我需要论证守灯人睡着了", "计划：先引用", "Okay, ich muss zeigen, dass er schlief",
]  # fmt: skip
SAID = [
    "He slept at his post.", "The keeper planned to leave; his plan: to flee.", "Okay is what he said.", "Let me be clear: he slept.",
    "I will show that he slept.", "I must disagree with my opponent.", "First, the keeper slept.", "Well, the keeper wrote in his log",
    "Step by step the keeper went down.", "The judge must know that the log is his.", "Let us look at the facts.",
    "Now, the passage says that he slept.", "The question is why the lamp went out.", "1. He slept.\n2. He lied.", "",
]  # fmt: skip


@pytest.mark.parametrize("text", PLANNED)
def test_a_plan_is_known_by_its_beginning(text):
    assert is_planned_aloud(text)


@pytest.mark.parametrize("text", SAID)
def test_a_speech_is_no_plan(text):
    assert not is_planned_aloud(text)


async def speeches(*replies: str) -> tuple[Speech, Record, Told]:
    """The speech of a model that replies so, one after the other, the last one again and again."""
    left, record = list(replies), Record()
    async with (
        Told(lambda body: completion(left.pop(0) if len(left) > 1 else left[0])) as server,
        client(server.base_url) as endpoint,
    ):
        debater = ModelParticipant(ModelSettings(model="m"), "big", endpoint)
        speech = await debater.answer(seen(speech_ask()), asking(record))
    assert isinstance(speech, Speech)
    return speech, record, server


@pytest.mark.parametrize(
    ("leak", "kind", "words"),
    [
        (
            "Okay, let me think. I must hide that he was awake. ",
            "untagged_plan",
            "planning that is not between",
        ),
        ("Plan: hide that he was awake.\n\n", "untagged_plan", "planning that is not between"),
        ("<musing>hide that he was awake. ", "unknown_wrapper", "looks like private notes"),
        ("***Reasoning***\nHide that he was awake.\n\n", "unknown_wrapper", "looks like private notes"),
    ],
)
async def test_what_may_be_private_is_asked_for_once_more(leak, kind, words):
    speech, record, server = await speeches(leak + SPEECH, SPEECH)
    assert "awake" not in speech.said.text
    assert (speech.suspicious, speech.asked, record.purposes) == ((), 2, ["answer", "again"])
    assert words in server.asked[1]["messages"][-1]["content"]

    speech, _, server = await speeches(leak + SPEECH)
    assert (kind in speech.suspicious, speech.asked, len(server.asked)) == (True, 2, 2)


async def test_a_plan_between_tags_is_no_leak():
    speech, _, _ = await speeches(f"<scratchpad>Plan: hide that he was awake.</scratchpad>\n{SPEECH}")
    assert (speech.suspicious, speech.asked) == ((), 1)
    assert speech.scratchpad.startswith("Plan:")


async def test_the_better_draft_is_taken_where_only_one_shows_a_plan():
    speech, _, _ = await speeches(f"Okay, let me think. {SPEECH}", f"{SPEECH} {SPEECH}")
    assert "let me think" not in speech.said.text
