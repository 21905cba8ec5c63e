"""A report as one HTML file with its tables, notes and plots, without scripts or other files."""

from base64 import b64encode

from anyio import to_thread
from markupsafe import Markup

from app.records.database import Database
from app.reports.plots import PLOTS, WIDTHS, draw
from app.reports.report import notes
from app.reports.report_cache import made_of
from app.reports.tables import report_tables
from app.templating import STATIC, environment
from models import Experiment

STYLES = ("vendor/pico.min.css", "arena.css", "research.css")


async def standing_alone(database: Database, experiment: Experiment) -> str:
    """Return the page as HTML."""
    made = await made_of(database, experiment)

    def written() -> str:
        pictures = {
            key: b64encode(draw(key, "svg", WIDTHS["wide"], rows)).decode()
            for key, rows in made.rows.items()
            if rows
        }
        return environment.get_template("pages/report_alone.html").render(
            experiment=experiment,
            report=made.report,
            tables=list(report_tables(made.report)),
            notes=notes(made.report),
            plots=PLOTS,
            rows=made.rows,
            pictures=pictures,
            styles=Markup("\n".join((STATIC / name).read_text("utf-8") for name in STYLES)),  # noqa: S704 - our own files
        )

    return await to_thread.run_sync(written)
