"""Khan et al. 2024: how often people were right after debates, after consultancies, and alone."""

from app.exchange.khan_study import IN_PAPER, read_khan
from app.exchange.published.figures import Edition, Published, PublishedStudy

PEOPLE = Edition(
    "experiments 8 to 10, judged by 24 January 2024",
    {},
    (
        Published(("debate-static", "debate-interactive"), "accuracy", "88%"),
        Published(("consultancy-static", "consultancy-interactive"), "balanced accuracy", "78%"),
        Published(("alone",), "accuracy", "60%"),
    ),
    "written by the schema of dataset_readme.md, without the file at hand: which rows the paper pools was not checked",
)

STUDY = PublishedStudy(
    "khan-2024",
    "Khan et al. 2024, Debating with More Persuasive LLMs Leads to More Truthful Answers",
    "arXiv 2402.06782",
    "data/human_feedback.csv.zip of github.com/ucl-dark/llm_debate (Git LFS), as it is or unpacked",
    read_khan,
    (PEOPLE,),
    where=(IN_PAPER,),
)
