"""Lengths, cuts and quotes in scripts without spaces between words, and that English is counted as before."""

import json
from dataclasses import replace
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.exchange.taskfile import read_tasks
from app.participants.retrieval import indexed as ranked
from app.participants.retrieval import sentence_spans, terms
from app.participants.speeches import Unread, cut, speech, written
from app.protocols import PROTOCOLS
from app.protocols.core import Case, Limits, Speech
from app.protocols.quotes import Status, indexed, mark
from app.protocols.views import View
from app.protocols.writing import WORDS, count_words, first_words, unit_of, word_spans
from tests.arms import SMALL
from tests.participants.examples import seen, speech_ask
from tests.participants.played_trials import play

JAPANESE = (
    "灯台守は日誌に、嵐の夜に失われたランプは一つだけだと書いた。翌朝、彼は塔の下の浜辺で二つのガラス片を見つけたが、"
    "それはランプのものではなかった。少年は夜のあいだずっと鐘の音を聞いていたと村人に話した。港の鎖は切れていて、"
    "馬小屋からは一頭のろばが消えていた。灯台守は一度も眠らなかったと誓い、少年はそれに逆らわなかった。"
)
CHINESE = (
    "灯塔看守人在日志中写道，暴风雨之夜只丢失了一盏灯。第二天早晨，他在塔下的海滩上发现了两块玻璃碎片，但那不是灯上的。"
    "男孩告诉村民，他整夜都听见钟声。港口的铁链断了，马厩里少了一头骡子。看守人发誓自己从未睡着，男孩没有反驳他。"
)
THAI = (
    "ผู้ดูแลประภาคารเขียนในบันทึกว่าในคืนที่มีพายุโคมไฟหายไปเพียงดวงเดียว เช้าวันต่อมาเขาพบเศษแก้วสองชิ้นบนชายหาดใต้หอคอย "
    "แต่นั่นไม่ใช่ของโคมไฟ เด็กชายบอกชาวบ้านว่าได้ยินเสียงระฆังตลอดทั้งคืน โซ่ท่าเรือขาดและล่อหายไปหนึ่งตัว"
)
LAO = "ຜູ້ດູແລປະພາຄານຂຽນໃນບັນທຶກວ່າໃນຄືນທີ່ມີພາຍຸໂຄມໄຟຫາຍໄປພຽງດວງດຽວ ເຊົ້າມື້ຕໍ່ມາລາວພົບເສດແກ້ວສອງຊິ້ນ"
KHMER = "អ្នកថែរក្សាប៉មភ្លើងបានសរសេរក្នុងកំណត់ហេតុថាចង្កៀងមួយបានបាត់ក្នុងយប់ព្យុះ។ ព្រឹកបន្ទាប់គាត់បានរកឃើញបំណែកកញ្ចក់ពីរ។"
BURMESE = "မီးပြတိုက်စောင့်သည် မှတ်တမ်းတွင် မုန်တိုင်းညက မီးအိမ်တစ်လုံးသာ ပျောက်ဆုံးသည်ဟု ရေးခဲ့သည်။ နောက်နေ့မနက်တွင် သူသည် ဖန်ကွဲနှစ်ခုကို တွေ့ခဲ့သည်။"
ENGLISH = "The keeper wrote in his log that only one lamp was lost on the night of the storm."

CASES = {
    "Japanese": (JAPANESE, "失われたランプはいくつか。", ("一つだけである", "二つである")),
    "Chinese": (CHINESE, "暴风雨之夜丢失了几盏灯？", ("只有一盏灯", "两盏灯")),
    "Thai": (THAI, "โคมไฟหายไปกี่ดวง", ("โคมไฟหายไปเพียงดวงเดียว", "โคมไฟหายไปสองดวง")),
}

# ── counting ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("The keeper — he slept.", 5),
        ("ein Wort, zwei Wörter", 4),
        ("등대지기는 일지에 적었다", 3),
        ("Хранитель маяка написал", 3),
        ("灯台守", 2),
        ("本文はこの答えを裏づけている。", 7),
        ("灯塔看守人在日志中写道", 6),
        ("カタカナー", 3),
        ("がぎぐげ", 2),
        ("か\u3099き\u3099", 1),
        ("กำลังที่", 2),
        ("The log of 田中 says so", 6),
        ("GPT-4は速い", 3),
        ("ꦗꦒꦤꦶꦁꦥꦸꦭ", 2),
        ("ᬚᬕᬢᬶᬫᬸᬭ", 2),
    ],
)
def test_words_are_counted_by_script(text, words):
    assert count_words(text) == words


@given(st.text(alphabet=st.characters(max_codepoint=0xDFF), max_size=200))
def test_scripts_with_spaces_are_counted_as_they_always_were(text):
    assert count_words(text) == len(text.split())
    assert first_words(text, 5) == " ".join(text.split()[:5])
    assert unit_of(text) == WORDS


MIXED = st.text(alphabet="ab 灯台守ランプです。กำลัง\u0e31がကခ", max_size=60)


@given(MIXED, st.integers(0, 12))
def test_first_words_are_no_more_than_they_may_be(text, most):
    assert count_words(first_words(text, most)) <= most
    assert " ".join(text.split()).startswith(first_words(text, most))


@given(MIXED)
def test_the_words_of_a_text_add_up_to_its_count(text):
    spans = list(word_spans(text))
    assert all(start < end for start, end, _ in spans)
    if any(part in text for part in "灯台守ランプです"):
        assert ceil(sum(size for _, _, size in spans) / 6) == count_words(text)


@pytest.mark.parametrize(
    ("text", "name", "per_word"),
    [
        (JAPANESE, "characters", 2), (CHINESE, "characters", 2), (THAI, "characters", 3), (LAO, "characters", 3), (KHMER, "characters", 3),
        (BURMESE, "characters", 3), (ENGLISH, "words", 1), ("등대지기는 일지에 적었다", "words", 1), ("Who is 田中?", "words", 1),
        ("GPT-4は灯台守の日誌を読んだか。", "characters", 2), ("", "words", 1),
    ],
)  # fmt: skip
def test_lengths_are_shown_in_what_most_of_a_text_is_counted_in(text, name, per_word):
    unit = unit_of(text)
    assert (unit.name, unit.per_word) == (name, per_word)


# ── quotes ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("passage", "quoted", "status"),
    [
        (JAPANESE, "失われたランプは一つだけ", Status.EXACT),
        (JAPANESE, "翌朝彼は塔の下の浜辺で", Status.NORMALISED),
        (JAPANESE, "失われた ランプは\n一つだけ", Status.NORMALISED),
        (JAPANESE, "失われたランフ\u309aは一つだけ", Status.NORMALISED),
        (JAPANESE, "塔の下の浜辺で……ランプのものではなかった", Status.EXACT),
        (JAPANESE, "失われたランプは二つだけだ", Status.NEAR),
        (JAPANESE, "少年は鐘を鳴らして逃げた", Status.ABSENT),
        (JAPANESE, "ランプは一つ", Status.TOO_SHORT),
        (CHINESE, "只丢失了一盏灯。第二天早晨", Status.EXACT),
        (CHINESE, "在塔下的海滩上发现了两块", Status.EXACT),
        (CHINESE, "一盏灯", Status.TOO_SHORT),
        (THAI, "โคมไฟหายไปเพียงดวงเดียว", Status.EXACT),
        (THAI, "พบเศษแก้วสองชิ้น", Status.EXACT),
        (THAI, "โคมไฟ", Status.TOO_SHORT),
        (LAO, "ໂຄມໄຟຫາຍໄປພຽງດວງດຽວ", Status.EXACT),
        (KHMER, "ចង្កៀងមួយបានបាត់ក្នុងយប់ព្យុះ", Status.EXACT),
        (BURMESE, "မုန်တိုင်းညက မီးအိမ်တစ်လုံးသာ", Status.EXACT),
        ("その村には三十五人の子供が住んでいたという。", "五人の子供が住んでいた", Status.NEAR),
        ("その村には三十五人の子供が住んでいたという。", "三十五人の子供が住んでいた", Status.EXACT),
    ],
)
def test_quotes_are_found_wherever_they_begin_in_scripts_without_spaces(passage, quoted, status):
    assert [
        quote.status for quote in mark(f"彼は言う。<quote>{quoted}</quote>", indexed(passage)).quotes
    ] == [status]


@given(st.sampled_from([JAPANESE, CHINESE]), st.integers(0, 80), st.integers(16, 40))
def test_any_stretch_of_a_passage_is_found(passage, start, length):
    quoted = passage[start : start + length]
    found = mark(f"<quote>{quoted}</quote>", indexed(passage)).quotes
    assert [quote.status for quote in found] == [Status.EXACT]
    assert found[0].spans[0][0] >= start


# ── speeches ────────────────────────────────────────────────────────────────────────────────────────────────────


def view_of(language: str, **limits: int) -> View:
    passage, question, answers = CASES[language]
    return replace(
        seen(speech_ask(limits=Limits(**limits))), passage=passage, question=question, answers=answers
    )


@pytest.mark.parametrize("language", ["Japanese", "Chinese"])
def test_a_speech_is_counted_in_characters_and_its_limits_are_said_in_them(language):
    passage, _, _ = CASES[language]
    view = view_of(language, min_words=10, max_words=20)
    with pytest.raises(Unread, match="and must have at least 20 and at most 40 characters") as raised:
        speech(view, indexed(passage), passage)
    assert isinstance(raised.value.draft, Speech)
    assert raised.value.draft.cut
    assert raised.value.draft.said.text.endswith("。")
    assert 10 <= raised.value.draft.words <= 20
    said = speech(view, indexed(passage), passage[:30])
    assert 10 <= said.words <= 20


def test_a_person_is_told_of_characters():
    with pytest.raises(Unread, match=r"Your speech has \d+ characters and may have 40: shorten it by \d+"):
        written(view_of("Japanese", max_words=20), indexed(JAPANESE), JAPANESE)


@pytest.mark.parametrize(
    ("text", "most", "rest"),
    [
        ("彼は眠った。誰も見ていない！本当か？", 7, "彼は眠った。誰も見ていない！"),
        ("「彼は眠った。」少年は言った。次の文。", 6, "「彼は眠った。」少年は言った。"),
        (
            "彼は<quote>眠った。誰も</quote>。次の文はとても長いので入らない。",
            6,
            "彼は<quote>眠った。誰も</quote>。",
        ),
        ("句点のない長い文がずっと続いていくだけ", 4, "句点のない長い文"),
        ("<quote>句点のない長い文がずっと続いていくだけ</quote>", 4, "<quote>句点のない長い文</quote>"),
        ("He slept. 彼は眠った。Nobody saw it.", 5, "He slept. 彼は眠った。"),
    ],
)
def test_a_text_is_cut_after_a_sentence_in_any_script(text, most, rest):
    assert cut(text, most) == rest


# ── built-ins ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_sentences_end_without_a_space_and_terms_are_pairs_of_characters():
    assert [JAPANESE[start:end][-1] for start, end in sentence_spans(JAPANESE)] == ["。"] * 5
    assert len(sentence_spans(THAI)) == 5
    assert terms("失われたランプ") == ("失", "われ", "れた", "ラン", "ンプ")
    best = ranked(JAPANESE).ranked(dict.fromkeys(terms("失われたランプは一つ"), 1.0))[0]
    assert "一つだけ" in JAPANESE[best.start : best.end]


@pytest.mark.parametrize("language", CASES)
@pytest.mark.parametrize("name", PROTOCOLS)
async def test_the_built_ins_play_every_protocol_in_scripts_without_spaces(name, language):
    passage, question, answers = CASES[language]
    rules = PROTOCOLS[name](**{key: value for key, value in SMALL[name].items() if key != "planted"})
    if name in ("critique-planted-flaws", "recursive-critique"):
        rules = PROTOCOLS[name]()
    given_ = rules.assignments(2)[0]
    trial = Case(question, answers, given_.argues, 5, role=given_.role)
    played = await play(rules, trial, passage=passage)
    speeches = [move.content for move in played.moves.values() if isinstance(move.content, Speech)]
    for said in speeches:
        assert said.words == count_words(said.said.text)
        assert all(quote.verified or quote.status == Status.ABSENT for quote in said.said.quotes)
    if name in ("debate", "consultancy", "quotes-only"):
        assert any(quote.verified for said in speeches for quote in said.said.quotes)


async def test_the_expert_of_the_built_ins_looks_it_up_in_japanese(tmp_path: Path):
    file = tmp_path / "ja.jsonl"
    passage, question, answers = CASES["Japanese"]
    asked = [{"id": "ja1", "question": question, "answers": list(answers), "gold": 0}]
    file.write_text(
        json.dumps({"id": "ja", "title": "灯台", "text": passage, "questions": asked}, ensure_ascii=False),
        "utf-8",
    )
    tasks = read_tasks(file)
    assert not tasks.problems
    (held,) = tasks.passages
    (put,) = held.questions
    rules = PROTOCOLS["debate"](rounds=1)
    case = Case(put.text, tuple(put.answers), rules.assignments(2)[0].argues, 5)
    played = await play(rules, case, passage=held.text)
    speech_a = played.moves["r1/debater_a"].content
    assert isinstance(speech_a, Speech)
    assert [quote.verified for quote in speech_a.said.quotes][:1] == [True]
    assert "一つだけ" in speech_a.said.text
    assert all(reading.belief.p[0] > 0.5 for reading in played.readings)
