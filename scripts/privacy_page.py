"""Writes the table of docs/privacy.md from what is declared in `models.kept`."""

from pathlib import Path

from models.kept import KEPT, Whose

PAGE = Path(__file__).resolve().parents[1] / "docs" / "privacy.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
DAYS = "`keep_days`"
WHOSE = {Whose.EVERYBODY: "", Whose.STUDIES: " (in studies)", Whose.RESEARCHERS: " (researchers, admins)"}


def table() -> str:
    """Return the table in Markdown."""
    lines = ["| what is kept | where | why | until | after a deletion |", "|---|---|---|---|---|"]
    for kept in KEPT:
        where = "; ".join(f"`{name}`: {', '.join(columns)}" for name, columns in kept.where.items())
        until = kept.until.value.replace("{days}", DAYS)
        lines.append(
            f"| {kept.what}{WHOSE[kept.whose]} | {where} | {kept.why} | {until} | {kept.fate.value} |"
        )
    return "\n".join(lines)


def page(written: str) -> str:
    """Return the page with its table made anew."""
    before, _, rest = written.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
