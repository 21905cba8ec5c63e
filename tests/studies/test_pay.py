"""What a study pays an hour: stated, and warned of where a recruiter demands more."""

from decimal import Decimal

import pytest

from app.money import figure, in_minor, in_words, minor_in_words, nearest
from app.studies.codes import ENDS, codes_of
from app.studies.join_link import for_recruiter
from app.studies.pay import hourly, pay_warnings
from app.studies.spec import Recruiter
from tests.studies import study_spec


def warned(amount: str, minutes: int, currency: str = "GBP", kind: str = "prolific") -> list[str]:
    return pay_warnings(
        study_spec(reward={"amount": amount, "currency": currency}, minutes=minutes, recruiter={"kind": kind})
    )


def test_an_hours_pay_follows_from_reward_and_minutes() -> None:
    assert hourly(study_spec(reward={"amount": "1.00"}, minutes=7)) == Decimal("8.57")
    assert in_words(Decimal("1234.5"), "GBP") == "£1,234.50"
    assert in_words(Decimal(3), "CHF") == "3.00 CHF"


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        ("0.99", "GBP", "£0.99 for 10 minutes are £5.94 an hour, and Prolific takes no study below £6.00"),
        ("1.00", "GBP", "£1.00 for 10 minutes are £6.00 an hour; Prolific recommends £9.00"),
        ("1.30", "USD", "$1.30 for 10 minutes are $7.80 an hour, and Prolific takes no study below $8.00"),
        ("1.50", "EUR", "Prolific pays in GBP or USD, not in EUR"),
    ],
)
def test_less_than_a_recruiter_demands_is_said(amount: str, currency: str, said: str) -> None:
    [warning] = warned(amount, 10, currency)
    assert said in warning


def test_enough_pay_and_other_recruiters_are_not_spoken_of() -> None:
    assert warned("1.50", 10) == []
    assert warned("2.00", 10, "USD") == []
    assert warned("0.10", 10, kind="link") == []
    assert warned("0", 10, kind="link") == ["reward: nothing is paid."]


def test_codes_are_those_of_the_file_and_made_where_it_names_none() -> None:
    one, two = (codes_of(Recruiter(kind="prolific", completed="DONE-1")) for _ in range(2))
    assert tuple(one) == ENDS
    assert one["completed"] == two["completed"] == "DONE-1"
    assert len({one["screened_out"], one["failed_checks"], two["screened_out"], two["failed_checks"]}) == 4


def test_prolific_fills_its_ids_into_the_link() -> None:
    link = for_recruiter("https://arena.example/join/x", "prolific")
    assert link == (
        "https://arena.example/join/x?PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
    )
    assert for_recruiter("https://arena.example/join/x", "link") == "https://arena.example/join/x"


def test_sums_in_hundredths_are_written_for_files_and_for_people() -> None:
    assert [figure(minor) for minor in (0, 5, 1250, 123456)] == ["0.00", "0.05", "12.50", "1234.56"]
    assert [minor_in_words(minor, "GBP") for minor in (5, 123456)] == ["£0.05", "£1,234.56"]
    assert minor_in_words(1250, "CHF") == "12.50 CHF"
    assert [in_minor(Decimal(amount)) for amount in ("0.29", "4.5", "1000")] == [29, 450, 100_000]
    assert [nearest(minor) for minor in (0.49, 0.5, 224.5)] == [0, 1, 225]
