"""A report as one HTML file with its tables, notes and plots, without scripts or other files."""

from anyio import to_thread
from markupsafe import Markup

from app.records.database import Database
from app.report_choices import Choices
from app.reports.page_parts import page_parts
from app.reports.plots import embedded_figures
from app.reports.report import Tell, notes, silent
from app.reports.report_cache import made_of
from app.templating import STATIC, environment
from models import Experiment

STYLES = ("vendor/pico.min.css", "arena.css", "research.css")


async def standing_alone(
    database: Database, experiment: Experiment, tell: Tell = silent, choices: Choices | None = None
) -> str:
    """Return the page as HTML, with all figures."""
    made = await made_of(database, experiment, tell, choices)

    def written() -> str:
        return environment.get_template("pages/report_alone.html").render(
            experiment=experiment,
            report=made.report,
            parts=page_parts(made.shown),
            notes=notes(made.report),
            pictures=embedded_figures(made.chart_rows),
            styles=Markup("\n".join((STATIC / name).read_text("utf-8") for name in STYLES)),  # noqa: S704 - our own files
        )

    return await to_thread.run_sync(written)
