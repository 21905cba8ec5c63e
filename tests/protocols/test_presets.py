"""Every preset, played with stand-in moves: the order of speech, what each seat sees, limits and calls are those of its golden transcript.

The command `python -m tests.protocols.test_presets` writes the files that `presets/` lacks; it changes none that is there. One
that is to change (a rule that was changed on purpose) is first deleted by hand.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.experiments.presets import FREE, PRESETS
from app.protocols import PROTOCOLS
from app.protocols.core import AnyContent, Ask, Elicitation, Facts, Limits, Note, Outcome, Pick
from app.protocols.rehearsal import stand_in
from app.protocols.views import View
from tests.protocols.harness import Run, Stage, cases, judgement, trial

GOLDEN = Path(__file__).with_name("presets")

LAST = 3
"""Rounds after which the stand-in for a judge who may end the talk does so."""


# ── a talk and its judging ──────────────────────────────────────────────────────────────────────────────────────


def unremarkable(_: View, ask: Ask) -> AnyContent:
    """What a rehearsal says, with remarks, and by a judge who decides after `LAST` rounds."""
    if ask.kind == "stop":
        return Pick(index=int(ask.path == f"r{LAST + 1}/{ask.seat}/stop"))
    return Note(text="Why?") if ask.wants == "note" else stand_in(ask, 2)


def stages(name: str) -> list[Stage[Outcome]]:
    """The talk of every assignment; all seats are models that may reason first and do not by themselves."""
    rules = PRESETS[name].rules
    own = dict.fromkeys(rules.rights(), Elicitation(may_reason=True))
    return [trial(rules, case) for case in cases(rules, elicitation=rules.elicitation(own))]


def talks(name: str) -> list[Run[Outcome]]:
    """The talk of every assignment, played."""
    return [stage.run(unremarkable) for stage in stages(name)]


def transcript(name: str) -> str:
    """The golden text of a preset: every ask of every assignment and of its judging, step by step."""
    return "\n".join(_lines(name)) + "\n"


def _lines(name: str) -> Iterator[str]:
    preset = PRESETS[name]
    rules = preset.rules
    yield f"{name}: {rules.name}"
    for number, stage in enumerate(stages(name), 1):
        run = stage.run(unremarkable)
        case = stage.case
        sides = ", ".join(f"{seat} argues for answer {side + 1}" for seat, side in case.argues.items())
        words = "; ".join(filter(None, [sides, case.role, " / ".join(case.answers)]))
        yield f"\nassignment {number}: {words}"
        yield from _steps(run)
        if rules.judge_takes_part:
            yield "the judge has decided in the talk"
            continue
        yield "judging"
        yield from _steps(judgement(rules, stage, run).run(unremarkable))


def _steps(run: Run[Outcome]) -> Iterator[str]:
    for number, step in enumerate(run.steps, 1):
        for ask in step:
            view = run.views[ask.path]
            parts = [ask.path, ask.seat, ask.kind, f"sees: {_seen(view, ask)}", _limits(ask.limits)]
            yield f"step {number}: " + " | ".join([*parts, _facts(ask.facts)])


def _seen(view: View, ask: Ask) -> str:
    shown = [" + ".join(group) for group in ask.shows]
    first = "" if view.order == (0, 1) else "the second answer first"
    return ", ".join(filter(None, ["passage" if view.passage else "", first, *shown])) or "nothing"


def _limits(limits: Limits) -> str:
    words = f"{limits.min_words} to {limits.max_words} words, {limits.target_words} asked for"
    quotes = [f"{limits.quote_characters} quoted characters"] * (limits.quote_characters is not None)
    quotes += [f"quotes {limits.min_quotes}"] * bool(limits.min_quotes)
    return ", ".join([words, *quotes]) if limits.max_words else "no limits"


def _facts(facts: Facts) -> str:
    return ", ".join(f"{key} {value}" for key, value in facts.by_name().items()) or "no facts"


# ── the golden files ────────────────────────────────────────────────────────────────────────────────────────────


def file_of(name: str) -> Path:
    """The golden file of a preset."""
    return GOLDEN / f"{name}.txt"


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_played_as_its_golden_transcript_says(name: str) -> None:
    assert file_of(name).exists(), "run `python -m tests.protocols.test_presets`"
    assert transcript(name) == file_of(name).read_text("utf-8")


def test_no_golden_transcript_is_left_of_a_preset_that_is_gone() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(PRESETS)


def complete() -> None:
    """Write the golden files that are missing; print how many."""
    GOLDEN.mkdir(exist_ok=True)
    new = [name for name in PRESETS if not file_of(name).exists()]
    for name in new:
        file_of(name).write_text(transcript(name), "utf-8")
    print(f"{len(new)} transcripts added to {GOLDEN.name}/.")


# ── every preset ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_every_setting_that_is_not_free(name: str) -> None:
    preset = PRESETS[name]
    assert set(preset.settings) == set(PROTOCOLS[preset.protocol].model_fields) - set(FREE)
    assert set(preset.ours) < set(preset.settings)
    assert preset.name == name


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_what_still_differs_and_what_participants_need(name: str) -> None:
    preset = PRESETS[name]
    for sentences in (preset.differs, preset.participants):
        assert sentences
        assert len(set(sentences)) == len(sentences)
        assert all(sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize("name", PRESETS)
def test_no_judge_of_a_preset_sees_the_passage_or_private_notes(name: str) -> None:
    rights = PRESETS[name].rules.rights()
    judge = PRESETS[name].rules.judge.name
    assert not rights[judge].reads_passage
    assert not any(seat.reads_notes or seat.notes_shown for seat in rights.values())


# ── by paper ────────────────────────────────────────────────────────────────────────────────────────────────────


def speeches(run: Run[Outcome]) -> list[Ask]:
    """Every ask for a speech, in order."""
    return [ask for step in run.steps for ask in step if ask.wants == "speech"]


def shown(ask: Ask) -> set[str]:
    """Paths of the moves that an ask shows."""
    return {path for group in ask.shows for path in group}


def kinds(run: Run[Outcome], start: str) -> Counter[str]:
    """How many asks of each kind there are under a path, without the checks of position after the talk."""
    return Counter(
        ask.kind for path, ask in run.asked.items() if path.startswith(start) and ask.kind != "position"
    )


KHAN = [name for name in PRESETS if name.startswith("khan-")]


@pytest.mark.parametrize("name", KHAN)
def test_khan_plans_quotes_and_has_lengths_as_in_the_released_configuration(name: str) -> None:
    bounds = (200, 140, 300) if "consultancy" in name else (100, 70, 150)
    for run in talks(name):
        for ask in speeches(run):
            assert ask.limits == Limits(*bounds, quote_characters=None, min_quotes=1)
            assert ask.facts.by_name()["plan"] is True
            assert ask.facts.by_name()["rounds"] == 3


@pytest.mark.parametrize("name", KHAN)
def test_khans_judges_reason_before_they_answer(name: str) -> None:
    rules = PRESETS[name].rules
    for stage in stages(name):
        run = stage.run(unremarkable)
        judging = run if rules.judge_takes_part else judgement(rules, stage, run).run(unremarkable)
        beliefs = [ask for ask in judging.asked.values() if ask.kind == "belief"]
        assert len(beliefs) == (1 if rules.judge_takes_part else 2)
        for ask in beliefs:
            assert f"{ask.path}/reason" in shown(ask)


def test_khans_debaters_speak_at_once_and_see_only_earlier_rounds() -> None:
    [run] = talks("khan-2024-static-debate")
    assert [[ask.path for ask in step] for step in run.steps[:3]] == [
        ["r1/debater_a", "r1/debater_b"],
        ["r2/debater_a", "r2/debater_b"],
        ["r3/debater_a", "r3/debater_b"],
    ]
    for ask in speeches(run):
        turn = int(ask.path[1])
        assert shown(ask) == {f"r{n}/debater_{side}" for n in range(1, turn) for side in "ab"}
        assert run.views[ask.path].passage


@pytest.mark.parametrize(
    "name",
    ["khan-2024-interactive-debate", "khan-2024-static-consultancy", "khan-2024-interactive-consultancy"],
)
def test_khans_judge_asks_between_rounds_and_is_read_by_all_who_speak(name: str) -> None:
    for run in talks(name):
        asked = [ask for ask in run.asked.values() if ask.kind == "question"]
        assert [(ask.path, ask.seat) for ask in asked] == [("r1/judge", "judge"), ("r2/judge", "judge")]
        assert all(run.views[ask.path].passage is None for ask in asked)
        for ask in speeches(run):
            assert ("r1/judge" in shown(ask)) == (int(ask.path[1]) > 1)


def test_khans_stand_in_asks_without_the_passage_and_the_judge_reads_in_both_orders() -> None:
    name = "khan-2024-static-consultancy-stand-in"
    assert PRESETS[name].rules.reading_orders == 2
    for run in talks(name):
        asked = [ask for ask in run.asked.values() if ask.kind == "question"]
        assert [ask.seat for ask in asked] == ["questioner", "questioner"]
        assert all(run.views[ask.path].passage is None for ask in asked)


@pytest.mark.parametrize(
    ("name", "seat"),
    [("khan-2024-debate-best-of-16", "debater_a"), ("khan-2024-consultancy-best-of-16", "consultant")],
)
def test_khans_best_of_16_takes_16_calls_for_a_speech_beside_two_readings_of_each(
    name: str, seat: str
) -> None:
    run = talks(name)[0]
    found = kinds(run, f"r1/{seat}/")
    speech = seat.partition("_")[0]
    assert found == {speech: 16, "preference": 32}
    assert all(run.views[path].passage is None for path, ask in run.asked.items() if ask.kind == "preference")


def test_khans_critique_and_refine_takes_16_calls_for_a_speech_beside_the_readers_ratings() -> None:
    [run] = talks("khan-2024-debate-critique-refine")
    for path in ("r1/debater_a/", "r3/debater_b/"):
        found = kinds(run, path)
        assert found == {"debater": 4 + 4, "coach": 8, "helpful": 8, "preference": 2 * (4 + 4)}
        assert found["debater"] + found["coach"] == 16
    rewritten = [
        ask for ask in speeches(run) if "/refined/" in ask.path and ask.path.startswith("r1/debater_a")
    ]
    assert [ask.path[-2:] for ask in rewritten] == ["c1", "c2", "c3", "c4"]
    for ask in rewritten:
        assert {"r1/debater_a/c1", "r1/debater_a/critique1"} == shown(ask)
    coached = [ask for ask in run.asked.values() if ask.kind == "coach"]
    assert all(run.views[ask.path].passage for ask in coached)
    # Others read the rewritten speech that was taken, and neither drafts nor critiques.
    second = run.asked["r2/debater_a/c1"]
    assert shown(second) == {"r1/debater_a/refined/c1", "r1/debater_b/refined/c1"}


def test_michaels_debate_opens_at_once_and_goes_on_in_turn_under_the_judges_belief() -> None:
    name = "michael-2023-debate"
    first, second = talks(name)
    for run in (first, second):
        steps = [[ask.path for ask in step] for step in run.steps]
        assert steps[:3] == [["r1/judge/belief"], ["r1/judge"], ["r1/debater_a", "r1/debater_b"]]
        assert steps.index(["r2/debater_a"]) < steps.index(["r2/debater_b"])
        assert "r2/debater_a" in shown(run.asked["r2/debater_b"])
        assert run.asked["r2/debater_a"].facts.by_name()["credence"]
        # From the end of the first round on, the judge may end the talk, and knows the belief it is scored on.
        stops = [path for path in run.asked if path.endswith("/stop")]
        assert stops == ["r2/judge/stop", "r3/judge/stop", "r4/judge/stop"]
        assert all(run.asked[path].facts.by_name()["penalty"] == 0.05 for path in stops)
        assert all(ask.limits == Limits(125, 0, 125, quote_characters=250) for ask in speeches(run))
    assert PRESETS[name].rules.rights()["debater_a"].people
    assert PRESETS[name].rules.judge.people


def test_michaels_consultant_has_twice_the_words_and_quotes_of_a_debater() -> None:
    for run in talks("michael-2023-consultancy"):
        assert all(ask.limits == Limits(250, 0, 250, quote_characters=500) for ask in speeches(run))
        assert "r2/judge" in shown(run.asked["r2/consultant"])


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("kenton-")])
def test_kentons_speakers_choose_the_best_of_their_own_4(name: str) -> None:
    for run in talks(name):
        choices = [ask for ask in run.asked.values() if ask.kind == "own-choice"]
        assert len(choices) == len(speeches(run)) / 4
        for ask in choices:
            assert len(ask.shows[-1]) == 4
            assert {run.asked[path].seat for path in ask.shows[-1]} == {ask.seat}
        assert not [ask for ask in run.asked.values() if ask.kind == "preference"]


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("kenton-")])
def test_kentons_judge_asks_in_consultancy_alone(name: str) -> None:
    for run in talks(name):
        asked = [ask.seat for ask in run.asked.values() if ask.kind == "question"]
        assert asked == (["judge", "judge"] if name.endswith("consultancy") else [])


@pytest.mark.parametrize("name", ["kenton-2024-open-debate", "kenton-2024-open-consultancy"])
def test_kentons_open_advocate_chooses_before_anybody_speaks(name: str) -> None:
    for run in talks(name):
        [first] = run.steps[0]
        assert (first.path, first.wants) == ("choice", "pick")
        assert run.views["choice"].passage
        assert "choice" not in {path for ask in run.asked.values() for path in shown(ask)}


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("arnesen-")])
def test_arnesen_has_two_rounds_and_nobody_asks(name: str) -> None:
    for run in talks(name):
        assert {ask.path[:2] for ask in speeches(run)} == {"r1", "r2"}
        assert {ask.wants for ask in run.asked.values()} == {"speech", "stance"}


def test_arnesens_double_consultants_never_read_each_other_and_debaters_do() -> None:
    [double] = talks("arnesen-2024-double-consultancy")
    assert shown(double.asked["r2/consultant_a"]) == {"r1/consultant_a"}
    [debate] = talks("arnesen-2024-debate")
    assert shown(debate.asked["r2/debater_a"]) == {"r1/debater_a", "r1/debater_b"}


def test_arnesens_ensemble_is_a_metric_over_both_single_consultancies() -> None:
    single, ensembled = (PRESETS[f"arnesen-2024-{kind}-consultancy"] for kind in ("single", "ensembled"))
    assert single.rules == ensembled.rules
    assert "ensembled" in {metric.key for metric in ensembled.rules.metrics}
    assert [run.outcome.transcript for run in talks(ensembled.name)] == [
        (("r1/consultant",), ("r2/consultant",))
    ] * 2


def test_parrishs_arguments_are_written_apart_and_answered_once() -> None:
    [one] = talks("parrish-2022-one-turn")
    assert [ask.path for ask in speeches(one)] == ["r1/debater_a", "r1/debater_b"]
    assert not any(shown(ask) for ask in speeches(one))
    [two] = talks("parrish-2022-two-turn")
    assert shown(two.asked["r2/debater_b"]) == {"r1/debater_a", "r1/debater_b"}
    assert len(speeches(two)) == 4


def test_kirchners_provers_know_their_role_and_the_verifier_does_not() -> None:
    rules = PRESETS["kirchner-2024-prover-verifier"].rules
    helpful, sneaky = stages("kirchner-2024-prover-verifier")
    for stage, role in ((helpful, "helpful"), (sneaky, "sneaky")):
        run = stage.run(unremarkable)
        assert [ask.kind for ask in run.asked.values()][:2] == [f"choice-{role}", f"prover-{role}"]
        judging = judgement(rules, stage, run).run(unremarkable)
        assert {ask.kind for ask in judging.asked.values()} == {"belief"}
        assert all(shown(ask) == {"r1/prover"} for ask in judging.asked.values())
        assert not any(
            word in repr(view) for view in judging.views.values() for word in ("helpful", "sneaky")
        )


if __name__ == "__main__":
    complete()
