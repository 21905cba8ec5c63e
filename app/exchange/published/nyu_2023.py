"""Michael et al. 2023: the table of the paper, and the same figures of half of the stories."""

from app.exchange.nyu_study import IN_PAPER, read_nyu_study
from app.exchange.published.figures import Edition, Published, PublishedStudy

WHOLE = Edition(
    "the whole dataset, with the figures of the paper's Table 1",
    {"human-debate": 154, "human-consultancy": 96, "ai-debate": 87, "ai-consultancy": 76},
    tuple(
        Published((arm,), figure, value)
        for arm, values in (
            ("human-debate", ("130/154", "2.7", "0.11")),
            ("human-consultancy", ("71/96", "4.0", "0.17")),
            ("ai-debate", ("68/87", "3.8", "0.16")),
            ("ai-consultancy", ("61/76", "4.2", "0.17")),
        )
        for figure, value in zip(("correct", "rounds", "ECE"), values, strict=True)
    ),
)

HALF = Edition(
    "half of the dataset by story, with figures counted on that half",
    {"human-debate": 61, "human-consultancy": 41, "ai-debate": 53, "ai-consultancy": 46},
    (
        *(
            Published((arm,), figure, value)
            for arm, values in (
                ("human-debate", ("54/61", "2.72", "0.086", "-0.694")),
                ("human-consultancy", ("30/41", "3.90", "0.157", "-1.172")),
                ("ai-debate", ("44/53", "3.91", "0.123", "-1.094")),
                ("ai-consultancy", ("36/46", "4.02", "0.179", "-1.231")),
            )
            for figure, value in zip(("correct", "rounds", "ECE", "mean score"), values, strict=True)
        ),
        Published(("human-consultancy",), "correct", "17/18", only="honest"),
        Published(("human-consultancy",), "correct", "13/23", only="dishonest"),
        Published(("ai-consultancy",), "correct", "17/24", only="honest"),
        Published(("ai-consultancy",), "correct", "19/22", only="dishonest"),
    ),
    "the paper has no table of this half: its rows were counted once from the same files by other code",
)

STUDY = PublishedStudy(
    "nyu-2023",
    "Michael et al. 2023, Debate Helps Supervise Unreliable Experts",
    "arXiv 2311.08702, Table 1",
    "the branch 2023-nyu-experiments of github.com/julianmichael/debate, as .tar.gz or directory",
    read_nyu_study,
    (WHOLE, HALF),
    where=(IN_PAPER,),
)
