"""What a judge enters beside a belief is declared once: read, kept, shown and exported by the declaration."""

import pytest

from app.exchange.choices import What
from app.exchange.columns import SCHEMAS, described
from app.judge_fields import FIELDS, FieldKind, FieldMoment, JudgeField, fields_at, latest, read_fields
from app.records.timing import SHOWN, TAKEN
from app.services.seat_answers import EnteredAnswer, Sent
from app.templating import environment
from app.web.seats.routes import EXAMPLES_READ, EXAMPLES_SHOWN

ALWAYS = frozenset(FieldMoment)
TICK = JudgeField("tick", FieldKind.YES_NO, "Tick", "Whether it is ticked.", ALWAYS)
CHOICE = JudgeField("ease", FieldKind.CHOICE, "Ease", "How easy.", ALWAYS, choices=("easy", "hard"))
TEXT = JudgeField(
    "remark", FieldKind.TEXT, "A <remark>", "A remark.", ALWAYS, hint="%(decided)s counts.", max_length=5
)


@pytest.mark.parametrize(
    ("field", "sent", "value"),
    [
        *((TICK, sent, True) for sent in (True, "true")),
        *((TICK, sent, False) for sent in (False, "false", "")),
        (CHOICE, "hard", "hard"),
        (CHOICE, "", ""),
        (TEXT, " a\0\r\n b ", "a b"),
        (TEXT, "12345", "12345"),
    ],
)
def test_a_value_is_read(field: JudgeField, sent: object, value: object) -> None:
    assert field.read(sent) == value


@pytest.mark.parametrize(
    ("field", "sent"),
    [(TICK, "perhaps"), (TICK, None), (CHOICE, "medium"), (CHOICE, True), (TEXT, "123456"), (TEXT, ["a"])],
)
def test_a_value_of_another_kind_is_refused(field: JudgeField, sent: object) -> None:
    with pytest.raises(ValueError, match=field.name):
        field.read(sent)


def test_a_field_that_was_not_sent_is_empty() -> None:
    assert read_fields({"ease": "easy"}, [TICK, CHOICE, TEXT]) == {
        "tick": False,
        "ease": "easy",
        "remark": "",
    }
    assert [field.exported({}) for field in (TICK, CHOICE, TEXT)] == [False, None, None]
    assert latest(CHOICE, {"ease": ""}, {"ease": "hard"}, {"ease": "easy"}) == "hard"


def test_a_field_is_shown_at_its_moments() -> None:
    assert fields_at(*FieldMoment) == list(FIELDS)
    assert fields_at() == []


def test_fields_come_under_their_own_names_only() -> None:
    answers = [{"path": "judging/order0/step1"}]
    assert Sent.model_validate({"answers": answers, "knows_story": "true"}).fields["knows_story"] is True
    assert Sent(answers=[EnteredAnswer(path="a")]).entered["a"]["knows_story"] is False
    wrongs: tuple[dict[str, object], ...] = ({"fields": {}}, {"knows_story": "perhaps"}, {"another": "true"})
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"field|knows_story|another"):
            Sent.model_validate({"answers": answers, **wrong})


def test_every_field_has_its_columns_and_clashes_with_no_other_flag() -> None:
    verdicts, transcripts = (
        {path for path, _ in described(SCHEMAS[what])} for what in (What.VERDICTS, What.TRANSCRIPTS)
    )
    for field in FIELDS:
        assert field.name in verdicts
        assert f"people[].{field.name}" in transcripts
    taken = {
        "told",
        SHOWN,
        TAKEN,
        EXAMPLES_READ,
        EXAMPLES_SHOWN,
        *EnteredAnswer(path="a").content,
        "at",
        "step",
    }
    assert not taken & {field.name for field in FIELDS}


def test_every_kind_of_field_has_an_input_that_shows_its_value() -> None:
    macros = environment.get_template("fragments/_judge_fields.html").module
    html = str(macros.entered([(TICK, True), (CHOICE, "hard"), (TEXT, '"<')], True))  # type: ignore[attr-defined]
    assert 'name="tick" value="true" checked>' in html
    assert '<option value="hard" selected>hard</option>' in html
    assert 'name="remark" value="&#34;&lt;" maxlength="5" aria-describedby="remark-hint">' in html
    # Labels are messages of the arena's own, which may have markup; values are escaped.
    assert "A <remark>" in html
    assert "Your verdict counts." in html
