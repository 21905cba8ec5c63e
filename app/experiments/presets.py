"""Arms as papers describe them, by name: protocol and settings, and what still differs. It knows no file and no participant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.protocols import PROTOCOLS
from app.protocols.core import Protocol

FREE = ("balance",)
"""Settings that an arm may still choose: how many trials are played, not what happens in one."""


@dataclass(frozen=True, slots=True)
class Preset:
    """The arm of a paper."""

    name: str
    title: str
    source: str
    """Paper and section, and the code where it was read."""
    protocol: str
    settings: Mapping[str, Any]
    """Every setting of the protocol but those in `FREE`."""
    ours: tuple[str, ...]
    """Settings whose value is the arena's, because the paper has none or it was not checked."""
    differs: tuple[str, ...]
    """What still differs from the paper, in sentences."""
    participants: tuple[str, ...]
    """What the participants must be set to, in sentences."""
    cast: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Participants for a file to start from: settings by name, beside endpoint and model."""
    seats: Mapping[str, str] = field(default_factory=dict)
    """Who sits where in that file."""
    judges: tuple[Any, ...] = ("judge",)
    """Its panel."""

    @property
    def rules(self) -> Protocol:
        """Return the protocol under these settings."""
        return PROTOCOLS[self.protocol].model_validate(dict(self.settings))


# ── settings that several presets share ─────────────────────────────────────────────────────────────────────────

_ARGUED: Mapping[str, Any] = {
    "judge_reasons": None,
    "target_words": 100,
    "min_words": 70,
    "max_words": 150,
    "quote_characters": None,
    "quotes_required": 0,
    "candidates": 1,
    "refinements": 0,
    "rewrites": 1,
    "chosen_by": "reader",
    "planning": False,
    "show_scratchpad": False,
    "attack": "none",
    "attacker": "",
}
_TWICE: Mapping[str, Any] = {"target_words": 200, "min_words": 140, "max_words": 300}
"""The lengths of a consultant: twice those of a debater."""
_QUESTIONED: Mapping[str, Any] = {**_ARGUED, "rounds": 3, "questions": "none"}
_DEBATE: Mapping[str, Any] = {**_QUESTIONED, "simultaneous": True, "cross_examination": False}
_CONSULTANCY: Mapping[str, Any] = {**_QUESTIONED, **_TWICE, "questions": "judge"}

_LENGTHS = ("target_words", "min_words", "max_words")
_QUOTES = ("quote_characters", "quotes_required")

_PROMPTS = "Prompts are in the arena's own words."
_DATA = "Questions and texts are those of your task set, and the models are yours."
_SWAPPED = (
    "Where the judge asks, it reads the answers in one order, and the exchanged order in a second talk."
)
_ONE_ORDER = (
    "Where the judge asks, it reads the answers in one order. The paper reads every transcript in both."
)
_LETTER = "After its reasons the judge gives a belief in every answer, from log-probabilities where the server returns them, and the likelier answer is its choice. The paper's judge names an answer."

# ── Khan et al. 2024 ────────────────────────────────────────────────────────────────────────────────────────────

_KHAN = {"judge_reasons": True, "quotes_required": 1, "planning": True}
_KHAN_SOURCE = "Khan et al. 2024 (arXiv 2402.06782), section 3 and appendix D; settings from the released code, github.com/ucl-dark/llm_debate"
_KHAN_DIFFERS = (
    _PROMPTS,
    _DATA,
    "A speech of a wrong length, or without a quote, is asked for again, up to three times. The paper's code samples three completions at once and keeps one that fits.",
    "After the last attempt a speech that is still too long is cut at the end of a sentence, and one that is still too short, or without a verified quote, is kept and recorded.",
    "A speech must have a quote that is found in the passage. The paper's code rejects speeches without any quote; whether that must be found was not checked.",
    _LETTER,
)
_KHAN_JUDGE = "Judge: a model with `temperature: 0`. The preset has it reason before it answers, whatever `reason_first` says."
_KHAN_ASKS = "All of them: `asks: 3`, the paper's number of completions for a speech."
_KHAN_CAST: Mapping[str, Mapping[str, Any]] = {
    "strong": {"temperature": 0.4, "top_p": 1.0, "max_tokens": 1000, "asks": 3},
    "judge": {"temperature": 0},
}
_KHAN_SAMPLED: Mapping[str, Mapping[str, Any]] = {
    **_KHAN_CAST,
    "strong": {**_KHAN_CAST["strong"], "temperature": 0.8},
}
_KHAN_SPEAKER = (
    "Debaters: one model on both sides, `temperature: 0.4`, at most 1,000 tokens, planning included."
)
_KHAN_SPEAKERS = (
    "Debaters: one model on both sides, `temperature: 0.8`, at most 1,000 tokens, planning included."
)
_KHAN_READER = (
    "The seat `preference`: the model of the judge. The paper finds that a reader like the judge does best."
)
_KHAN_SCORED = (
    "A candidate is scored by the reader's belief in its answer, the mean of both orders of the answers, beside one line in the place of the "
    "opponent's speech. The paper's code scores the log-probability of the answer's letter."
)
_ASKER = (
    "The judge's questions are sampled at the temperature of the judge, 0. In the paper the judging model asks at 0.4. Give the judge "
    "`temperature: 0.4` to have its questions as published: its reasons are then sampled at 0.4 too."
)
_QUESTION_LENGTH = "A question is asked for in about 40 words, at most 80, without written reasons. The paper allows 250 words after reasons."
_LAST_ROUND = "Nothing is asked after the last round, since there would be no reply."
_KHAN_ADVISED = ("Consultant: a model with `temperature: 0.4` and at most 1,000 tokens, planning included.",)
_KHAN_ADVISED_N = (
    "Consultant: a model with `temperature: 0.8` and at most 1,000 tokens, planning included.",
)

# ── Michael et al. 2023 ─────────────────────────────────────────────────────────────────────────────────────────

_TO_THE_END = {
    "min_rounds": 1,
    "max_rounds": 20,
    "swing": 1,
    "turn_penalty": 0.05,
    "judge_turn": "in_order",
    "min_words": 0,
}
_MICHAEL_SOURCE = "Michael et al. 2023 (arXiv 2311.08702), section 2.1 and equations 1 and 2; code at github.com/julianmichael/debate"
_MICHAEL_DIFFERS = (
    _DATA,
    "Lengths are counted in words, six characters each with the space. The paper counts characters: 750 in a debate, 1,500 in consultancy.",
    "Quoted characters are counted when they are new; what was quoted before is free.",
    "A talk ends after 20 rounds at the latest. The paper has no bound.",
    "The judge's remark has at most 80 words. The paper's bound was not checked.",
    "Judges enter percentages of 1 to 99. The paper shows them the score that each outcome would bring.",
)
_MICHAEL_PARTICIPANTS = (
    "Judge: people (`{humans: 1, feedback: score}`), who learn the right answer after each verdict, as in the paper. A model may judge instead.",
    "Speakers: people (`people` in the seats), or a model, as in the paper's second study.",
)
_PEOPLE = ({"humans": 1, "feedback": "score"},)

# ── Kenton et al. 2024 ──────────────────────────────────────────────────────────────────────────────────────────

_KENTON = {"judge_reasons": False, "candidates": 4, "chosen_by": "speaker"}
_KENTON_SOURCE = "Kenton et al. 2024 (arXiv 2407.04622), section 3 and appendices E to H"
_KENTON_OURS = ("judge_reasons", *_LENGTHS, *_QUOTES, "planning")
_KENTON_DIFFERS = (
    _PROMPTS,
    _DATA,
    "Quotes are typed in `<quote>`. The paper's prompts call them passages, because models took quotes for what characters say.",
    "Lengths were not checked. Those here are Khan et al.'s.",
    "Questions with images, and tasks without a hidden text, are not played.",
)
_KENTON_OPEN = "The advocate chooses its answer before it speaks, and speaks knowing that. The paper plays both sides and keeps the talks for the answer that the model gives when asked alone."
_KENTON_CAST: Mapping[str, Mapping[str, Any]] = {"strong": {"temperature": 0.8}, "judge": {"temperature": 0}}
_KENTON_CHOOSER = "Speaker: one model with a temperature above 0, so that its four candidates differ; it chooses among them itself. The paper's temperature was not checked."
_KENTON_JUDGE = "Judge: a weaker model, `temperature: 0`, that answers without written reasons."

# ── Arnesen et al. 2024 ─────────────────────────────────────────────────────────────────────────────────────────

_ARNESEN = {
    "judge_reasons": False,
    "rounds": 2,
    "target_words": 150,
    "min_words": 0,
    "max_words": 225,
}
_ARNESEN_SOURCE = (
    "Arnesen et al. 2024 (arXiv 2409.16636), read in third parties' notes; order of speech from "
    "debate/speech_format.py in the released code, github.com/samuelarnesen/nyu-debate-modeling"
)
_ARNESEN_OURS = ("judge_reasons", *_LENGTHS, *_QUOTES, "planning")
_ARNESEN_DIFFERS = (
    _PROMPTS,
    _DATA,
    "No model is trained. The paper trains speakers by preference optimisation on self-play, and tunes the judge on talks.",
    "The code bounds a speech at 300 tokens. Here it has at most 225 words, about as much, and is asked for in 150.",
)
_ARNESEN_CAST: Mapping[str, Mapping[str, Any]] = {
    "strong": {"max_tokens": 300},
    "judge": {"temperature": 0, "belief": "logprobs"},
}
_ARNESEN_SPEAKER = "Speakers: the model that was trained to debate, or to advise, with `max_tokens: 300`. A model that writes private notes first needs more tokens."
_ARNESEN_JUDGE = "Judge: a model with log-probabilities (`belief: logprobs`), without written reasons."

# ── Parrish et al. 2022 ─────────────────────────────────────────────────────────────────────────────────────────

_PARRISH_DIFFERS = (
    _DATA,
    "Judges never see the passage. In the paper they could skim all of it for 90 seconds, so results are not comparable.",
    "Lengths were not checked. Those here are the arena's.",
    "Bounds on quotes were not checked. There are none here.",
)
_PARRISH_PARTICIPANTS = (
    "Writers: people (`people` in the seat `debaters`), or a model.",
    "Judge: people (`{humans: 1}`).",
)

# ── Kirchner et al. 2024 ────────────────────────────────────────────────────────────────────────────────────────

_KIRCHNER = {**_ARGUED, "judge_reasons": False, "roles": "known", "examples": 0, "target_words": 120}


def _made(*presets: Preset) -> dict[str, Preset]:
    return {preset.name: preset for preset in presets}


def _khan_debates() -> dict[str, Preset]:
    debate, seats = {**_DEBATE, **_KHAN}, {"debaters": "strong"}
    read = {**seats, "preference": "judge"}
    return _made(
        Preset(
            "khan-2024-static-debate",
            "Static debate",
            _KHAN_SOURCE,
            "debate",
            debate,
            (),
            _KHAN_DIFFERS,
            (_KHAN_SPEAKER, _KHAN_JUDGE, _KHAN_ASKS),
            _KHAN_CAST,
            seats,
        ),
        Preset(
            "khan-2024-interactive-debate",
            "Interactive debate: the judge asks after each round",
            f"{_KHAN_SOURCE} (debate_interactive.yaml)",
            "debate",
            {**debate, "questions": "judge"},
            (),
            (*_KHAN_DIFFERS, _ASKER, _QUESTION_LENGTH, _LAST_ROUND, _SWAPPED),
            (_KHAN_SPEAKER, _KHAN_JUDGE, _KHAN_ASKS),
            _KHAN_CAST,
            seats,
        ),
        Preset(
            "khan-2024-debate-best-of-16",
            "Static debate, the best of 16 speeches",
            f"{_KHAN_SOURCE}, appendix D.3",
            "debate",
            {**debate, "candidates": 16},
            (),
            (*_KHAN_DIFFERS, _KHAN_SCORED),
            (_KHAN_SPEAKERS, _KHAN_READER, _KHAN_JUDGE, _KHAN_ASKS),
            _KHAN_SAMPLED,
            read,
        ),
        Preset(
            "khan-2024-debate-critique-refine",
            "Static debate, best of 4, 8 critiques, 4 rewritten speeches",
            f"{_KHAN_SOURCE} (gpt_4_t_Bo4_Co8.yaml, debater_quality.py), appendix D.3",
            "debate",
            {**debate, "candidates": 4, "refinements": 8, "rewrites": 4},
            (),
            (
                *_KHAN_DIFFERS,
                _KHAN_SCORED,
                "The most helpful critique is the one that the reader rates highest, each rated alone.",
            ),
            (
                _KHAN_SPEAKERS,
                _KHAN_READER,
                "The seat `coach`, which reads the passage: the debaters' model, which has it unless you name another.",
                _KHAN_JUDGE,
                _KHAN_ASKS,
            ),
            _KHAN_SAMPLED,
            read,
        ),
    )


def _khan_consultancies() -> dict[str, Preset]:
    advised = {**_CONSULTANCY, **_KHAN}
    seats, source = {"consultants": "strong"}, f"{_KHAN_SOURCE} (consultancy.yaml, run_figure1.sh)"
    asked = (*_KHAN_DIFFERS, _ASKER, _QUESTION_LENGTH, _LAST_ROUND, _ONE_ORDER)
    return _made(
        Preset(
            "khan-2024-static-consultancy",
            "Consultancy in which the judging model asks",
            source,
            "consultancy",
            advised,
            (),
            asked,
            (*_KHAN_ADVISED, _KHAN_JUDGE, _KHAN_ASKS),
            _KHAN_CAST,
            seats,
        ),
        Preset(
            "khan-2024-static-consultancy-stand-in",
            "Consultancy in which a model asks in place of people who only decide",
            source,
            "consultancy",
            {**advised, "questions": "questioner"},
            (),
            (
                *_KHAN_DIFFERS,
                _QUESTION_LENGTH,
                _LAST_ROUND,
                "People enter a belief in the arena's form, and not in the paper's.",
            ),
            (
                *_KHAN_ADVISED,
                "The seat `questioner`: the judging model of the paper, `temperature: 0.4`.",
                "Judge: people, or a model with `temperature: 0`, which then reads every transcript in both orders.",
                _KHAN_ASKS,
            ),
            {**_KHAN_CAST, "asker": {"temperature": 0.4}},
            {**seats, "questioner": "asker"},
        ),
        Preset(
            "khan-2024-interactive-consultancy",
            "Interactive consultancy: the judge asks after each round",
            source,
            "consultancy",
            advised,
            (),
            (
                *asked,
                "The rules are those of khan-2024-static-consultancy, since a judging model asks in both. They differ where people judge.",
            ),
            (*_KHAN_ADVISED, _KHAN_JUDGE, "Or people as judges, who then ask themselves.", _KHAN_ASKS),
            _KHAN_CAST,
            seats,
        ),
        Preset(
            "khan-2024-consultancy-best-of-16",
            "Consultancy in which the judging model asks, the best of 16 statements",
            f"{source}, appendix D.3",
            "consultancy",
            {**advised, "candidates": 16},
            (),
            (*asked, _KHAN_SCORED),
            (*_KHAN_ADVISED_N, _KHAN_READER, _KHAN_JUDGE, _KHAN_ASKS),
            _KHAN_SAMPLED,
            {**seats, "preference": "judge"},
        ),
    )


def _michael() -> dict[str, Preset]:
    debate = {**_ARGUED, **_TO_THE_END, "target_words": 125, "max_words": 125, "quote_characters": 250}
    advised = {**debate, "target_words": 250, "max_words": 250, "quote_characters": 500}
    return _made(
        Preset(
            "michael-2023-debate",
            "Debate before a judge who states its belief, asks, and ends it",
            _MICHAEL_SOURCE,
            "interactive-debate",
            debate,
            ("target_words", "max_rounds"),
            _MICHAEL_DIFFERS,
            _MICHAEL_PARTICIPANTS,
            {},
            {"debaters": "people", "checker": "checker"},
            _PEOPLE,
        ),
        Preset(
            "michael-2023-consultancy",
            "Consultancy before a judge who states its belief, asks, and ends it",
            _MICHAEL_SOURCE,
            "interactive-consultancy",
            advised,
            ("target_words", "max_rounds"),
            (
                *_MICHAEL_DIFFERS,
                "Every question is played once for each answer. In the paper the consultant argues for the right answer in about half of the talks.",
            ),
            _MICHAEL_PARTICIPANTS,
            {},
            {"consultants": "people", "checker": "checker"},
            _PEOPLE,
        ),
    )


def _kenton() -> dict[str, Preset]:
    debate, advised = {**_DEBATE, **_KENTON}, {**_CONSULTANCY, **_KENTON}
    who = (_KENTON_CHOOSER, _KENTON_JUDGE)
    debaters, consultant = {"debaters": "strong"}, {"consultants": "strong"}
    asked = (*_KENTON_DIFFERS, _ONE_ORDER, _LAST_ROUND)

    def preset(
        kind: str, title: str, settings: Mapping[str, Any], differs: tuple[str, ...], seats: Mapping[str, str]
    ) -> Preset:
        ours = _KENTON_OURS + ("simultaneous",) * ("simultaneous" in settings)
        name = f"kenton-2024-{kind}"
        return Preset(name, title, _KENTON_SOURCE, kind, settings, ours, differs, who, _KENTON_CAST, seats)

    return _made(
        preset("debate", "Debate, the debater's own best of 4", debate, _KENTON_DIFFERS, debaters),
        preset("consultancy", "Consultancy in which the judge asks", advised, asked, consultant),
        preset(
            "open-debate",
            "Open debate: one side chooses its answer",
            debate,
            (*_KENTON_DIFFERS, _KENTON_OPEN),
            debaters,
        ),
        preset(
            "open-consultancy",
            "Open consultancy: the consultant chooses its answer, and the judge asks",
            advised,
            (*asked, _KENTON_OPEN),
            consultant,
        ),
    )


def _arnesen() -> dict[str, Preset]:
    alone = {**_CONSULTANCY, **_ARNESEN, "questions": "none"}
    both = {**_ARGUED, **_ARNESEN}
    who = (_ARNESEN_SPEAKER, _ARNESEN_JUDGE)
    consultants = {"consultants": "strong"}

    def preset(
        kind: str,
        title: str,
        protocol: str,
        settings: Mapping[str, Any],
        differs: tuple[str, ...],
        seats: Mapping[str, str],
    ) -> Preset:
        return Preset(
            f"arnesen-2024-{kind}",
            title,
            _ARNESEN_SOURCE,
            protocol,
            settings,
            _ARNESEN_OURS,
            (*_ARNESEN_DIFFERS, *differs),
            who,
            _ARNESEN_CAST,
            seats,
        )

    return _made(
        preset(
            "debate", "Debate of two rounds", "debate", {**_DEBATE, **_ARNESEN}, (), {"debaters": "strong"}
        ),
        preset(
            "single-consultancy",
            "One consultant, two statements, no questions",
            "consultancy",
            alone,
            (),
            consultants,
        ),
        preset(
            "double-consultancy",
            "Two consultants who never read each other",
            "double-consultancy",
            both,
            (
                "Both statements of a round are read side by side. The paper's order of the two monologues was not checked.",
            ),
            consultants,
        ),
        preset(
            "ensembled-consultancy",
            "Two opposite consultancies, whose beliefs are averaged",
            "consultancy",
            alone,
            (
                "The talks are those of arnesen-2024-single-consultancy, and one arm serves for both. The figure is the metric "
                "`ensembled` of the report, not the accuracy of the arm.",
            ),
            consultants,
        ),
    )


def _others() -> dict[str, Preset]:
    turns = {**_DEBATE, "judge_reasons": None, "min_words": 0}
    ours = (*_LENGTHS, *_QUOTES, "simultaneous")
    writers, parrish = {"debaters": "people", "checker": "checker"}, "Parrish et al. 2022"
    return _made(
        Preset(
            "parrish-2022-one-turn",
            "One argument for each answer, written apart",
            f"{parrish} (arXiv 2204.05212), abstract, and Michael et al. 2023, section 7",
            "debate",
            {**turns, "rounds": 1},
            ours,
            _PARRISH_DIFFERS,
            _PARRISH_PARTICIPANTS,
            {},
            writers,
            ({"humans": 1},),
        ),
        Preset(
            "parrish-2022-two-turn",
            "One argument and one counter-argument for each answer",
            f"{parrish} (arXiv 2210.10860), abstract, and Michael et al. 2023, section 7",
            "debate",
            {**turns, "rounds": 2},
            ours,
            _PARRISH_DIFFERS,
            _PARRISH_PARTICIPANTS,
            {},
            writers,
            ({"humans": 1},),
        ),
        Preset(
            "kirchner-2024-prover-verifier",
            "One argument of a prover who knows whether it is helpful or sneaky",
            "Kirchner et al. 2024 (arXiv 2407.13692), sections 2 and 3",
            "prover-verifier",
            _KIRCHNER,
            ("judge_reasons", *_LENGTHS, *_QUOTES, "planning"),
            (
                _PROMPTS,
                _DATA,
                "No model is trained. In the paper prover and verifier are trained in rounds.",
                "The texts are hidden from the verifier. The paper's problems are grade-school mathematics, which both can read.",
                "A prover picks the answer that it finds right, or wrong. No answer key says whether it succeeded, while the paper rewards it by that key.",
                "The verifier's belief in the argued answer is its acceptance. In the paper it gives a score.",
            ),
            (
                "Prover: a model with a temperature above 0.",
                "Verifier: a much smaller model, without written reasons.",
                "People may verify instead, with `{humans: 1, seconds: 45}`.",
            ),
            {"strong": {"temperature": 0.8}, "judge": {"temperature": 0}},
            {"provers": "strong"},
        ),
    )


PRESETS: dict[str, Preset] = {
    **_khan_debates(),
    **_khan_consultancies(),
    **_michael(),
    **_kenton(),
    **_arnesen(),
    **_others(),
}
"""The presets by name, in the order in which they are listed."""
