"""Write the page about the pre-flight, docs/check.md, from the thresholds in the code: `python -m scripts.check_page`."""

from pathlib import Path

from app.experiments.fitness import ENOUGH, MEASURES, Measure
from app.participants.prompt_sizes import LONG, LONGER, MOST_CHARACTERS_PER_TOKEN

PAGE = Path(__file__).resolve().parents[1] / "docs" / "check.md"

TEXT = """# Is this model fit for that seat?

`arena check SPEC.yaml` plays every arm on two questions with the real participants (`--questions` more, `--arm` one arm alone), has every judge judge
them in both orders, stores nothing, and says for each participant in each kind of seat:

- **fit**: nothing below its threshold;
- **weak**: figures of such an experiment can be read, with care;
- **unfit**: they would say little about the protocol. `check` then ends with exit code 1.

A participant is unfit on at least {enough} cases; on fewer it is weak at worst. Baselines are what they are, and get no verdict. Two questions show what is far off and nothing finer:
try more before a long run.

{table}

Choices of a judge that was shown nothing, as in a naive arm, do not count for the orders: who knows nothing may well choose by place.

**Prompts that are cut.** Some servers drop a part of a long prompt without an error, so that a model judges a text that it has not read. `check` compares what was sent with the tokens
that the server counts. A prompt of {long:,} characters or more with over {most:g} characters a token was cut: no tokenizer reads so much at once. So were prompts of different lengths (the longest at
least {longer:.2f} times the shortest) that all have the same number of tokens, the most of all. Such a participant is unfit, whatever else it does.
"""


def page() -> str:
    """Return the page."""
    table = "\n".join(
        [
            "| what is looked at | fit | unfit | why | what to try |",
            "|---|---|---|---|---|",
            *map(_row, MEASURES),
        ]
    )
    return TEXT.format(enough=ENOUGH, table=table, long=LONG, most=MOST_CHARACTERS_PER_TOKEN, longer=LONGER)


def _row(measure: Measure) -> str:
    fit, unfit = ("from {}", "below {}") if measure.more_is_better else ("up to {}", "above {}")
    cells = (
        measure.name,
        fit.format(measure.written(measure.weak)),
        unfit.format(measure.written(measure.unfit)),
        measure.reason,
        measure.advice,
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
