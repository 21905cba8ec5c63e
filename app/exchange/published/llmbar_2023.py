"""Zeng et al. 2023: judges on the subset Natural, with chain of thought, in both orders."""

from app.exchange.pairwise import read_llmbar
from app.exchange.published.figures import Edition, Published, PublishedStudy

_FIGURES = ("accuracy", "same verdict in both orders", "κ between orders")
_JUDGES = {
    "GPT-4": ("94.5%", "91%", "0.816"),
    "ChatGPT": ("74%", "64%", "0.362"),
    "ChatGPT-0301": ("82%", "74%", "0.475"),
    "LLaMA2": ("75.5%", "67%", "0.362"),
    "PaLM2": ("73%", "64%", "0.343"),
    "Falcon": ("57%", "14%", "0.011"),
}

NATURAL = Edition(
    "the subset Natural, six judges with chain of thought",
    dict.fromkeys(_JUDGES, 200),
    tuple(
        Published(("natural-cot",), figure, value, judge)
        for judge, values in _JUDGES.items()
        for figure, value in zip(_FIGURES, values, strict=True)
    ),
)

STUDY = PublishedStudy(
    "llmbar-2023",
    "Zeng et al. 2023, Evaluating Large Language Models at Evaluating Instruction Following",
    "arXiv 2310.07641, and statistics.json beside the raw verdicts",
    "Dataset/LLMBar/Natural of github.com/princeton-nlp/LLMBar, as .tar.gz or directory",
    read_llmbar,
    (NATURAL,),
    by="judge",
)
