"""Studies whose published figures can be reproduced: a study is a file, and a line here."""

from app.exchange.published import khan_2024, llmbar_2023, nyu_2023
from app.exchange.published.figures import PublishedStudy

PUBLISHED: dict[str, PublishedStudy] = {
    study.name: study for study in (nyu_2023.STUDY, llmbar_2023.STUDY, khan_2024.STUDY)
}
