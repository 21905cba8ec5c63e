"""A data set for others: a folder of tables with a card of the Hugging Face Hub and Croissant metadata, and the archive that another
arena imports.

`datasets.load_dataset(FOLDER)` reads the verdicts, and `load_dataset(FOLDER, "beliefs")` another table.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import orjson
import yaml
from anyio import to_thread
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.archive import ArchiveLine, Line
from app.exchange.archive_export import lines, written
from app.exchange.choices import Format, What
from app.exchange.columns import ABOUT, described, kind_name, schema_of
from app.exchange.export import RowMaker, written_in_thread
from app.exchange.options import Options
from app.exchange.people import frame_of
from app.records import whole
from app.records.columns import Column, ListOf, Scalar
from models import Experiment, Verdict

TABLES = (
    What.VERDICTS,
    What.BELIEFS,
    What.TRANSCRIPTS,
    What.CALLS,
    What.PREFERENCES,
    What.WEAK_LABELS,
    What.GOLD_LABELS,
)
ARCHIVE = "archive.jsonl"
LICENCES = {
    "cc0": "cc0-1.0",
    "cc0-1-0": "cc0-1.0",
    "cc-by-4-0": "cc-by-4.0",
    "cc-by-sa-4-0": "cc-by-sa-4.0",
    "cc-by-3-0": "cc-by-3.0",
    "cc-by-nc-4-0": "cc-by-nc-4.0",
    "mit": "mit",
    "apache-2-0": "apache-2.0",
}
"""Names of licences on the Hub, by the words of passages."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of the folder."""

    what: What
    path: Path
    rows: int
    columns: Sequence[Column]


async def write_dataset(
    session: AsyncSession,
    experiment: Experiment,
    folder: Path,
    options: Options,
    form: Format = Format.PARQUET,
) -> int:
    """Write the tables that have rows, the archive, a card and Croissant metadata into `folder`. Return the number of rows."""
    frame = await frame_of(session, experiment, options)
    maker = RowMaker(experiment, frame, options)
    tables: list[_Table] = []
    await to_thread.run_sync((folder / "data").mkdir)
    for what in TABLES:
        path = folder / "data" / f"{what.value}.{form.value}"
        items, rows = maker.source(session, what)
        columns, count = schema_of(what, options), 0
        async with aclosing(items), written_in_thread(path, form, columns, rows) as write:
            async for some in items:
                count += await write(some)
        if count:
            tables.append(_Table(what, path, count, columns))
        else:
            await to_thread.run_sync(path.unlink)
    await _write_archive(session, experiment, folder / ARCHIVE, options)
    setting = await whole.setting(session, experiment)
    licences = Counter(passage.license or "" for passage, *_ in setting.passages)
    last = await session.scalar(select(func.max(Verdict.created_at)))
    card = _card(experiment, tables, licences, options, form)
    meta = await to_thread.run_sync(
        _croissant, experiment, tables, licences, form, last or experiment.created_at
    )
    await to_thread.run_sync((folder / "README.md").write_text, card, "utf-8")
    await to_thread.run_sync(
        (folder / "croissant.json").write_bytes, orjson.dumps(meta, option=orjson.OPT_INDENT_2)
    )
    return sum(table.rows for table in tables)


def _without_marks(line: Line) -> Line:
    """Return a line without tags and note of the experiment, which are written for colleagues."""
    if not isinstance(line, ArchiveLine) or line.experiment is None:
        return line
    bare = line.experiment.model_copy(update={"tags": (), "note": ""})
    return line.model_copy(update={"experiment": bare})


async def _write_archive(session: AsyncSession, experiment: Experiment, path: Path, options: Options) -> None:
    held: list[bytes] = []
    with path.open("xb") as stream:
        async for line in lines(session, experiment, options):
            held.append(written(_without_marks(line)))
            if len(held) == 500:
                await to_thread.run_sync(stream.writelines, held)
                held = []
        stream.writelines(held)


# ── the card ────────────────────────────────────────────────────────────────────────────────────────────────────


def _licence(licences: Mapping[str, int]) -> dict[str, str]:
    """Return the licence as the Hub names it: that of the passages, where all have the same."""
    names = [name for name in licences if name]
    if len(names) != 1 or "" in licences:
        return {"license": "other" if names else "unknown"}
    known = LICENCES.get(re.sub(r"[^a-z0-9]+", "-", names[0].lower()).strip("-"))
    return {"license": known} if known else {"license": "other", "license_name": names[0]}


def _card(
    experiment: Experiment,
    tables: Sequence[_Table],
    licences: Mapping[str, int],
    options: Options,
    form: Format,
) -> str:
    front = {
        "pretty_name": experiment.name,
        **_licence(licences),
        "tags": ["scalable-oversight", "llm-as-a-judge"],
        "configs": [
            {
                "config_name": table.what.value,
                "data_files": [{"split": "train", "path": f"data/{table.path.name}"}],
                **({"default": True} if at == 0 else {}),
            }
            for at, table in enumerate(tables)
        ],
    }
    shown = "in the archive, in prompts of calls" + (
        ", in transcripts and in pairs" if options.passages else ""
    )
    hidden = shown if _in_archive(options) else "left out"
    left_out = ", ".join(sorted(options.without)) or "nothing"
    text = [
        "---",
        yaml.safe_dump(front, sort_keys=False, allow_unicode=True).strip(),
        "---",
        "",
        f"# {experiment.name}",
        "",
        "An experiment of scalable oversight: AIs or people who can read a passage argue, and judges who cannot read it decide. "
        "It was exported from an Oversight Arena.",
        "",
        f"- Digest of the experiment: `{experiment.digest}`",
        f"- Left out: {left_out}. Hidden passages: {hidden}.",
        "- People have pseudonyms, one for each person.",
        f"- Licences of the passages: {_listed(licences)}.",
        "",
        "```python",
        "from datasets import load_dataset",
        "",
        f'rows = load_dataset("PATH")  # {tables[0].what.value if tables else "no table has rows"}',
        *([f'others = load_dataset("PATH", "{tables[1].what.value}")'] if len(tables) > 1 else []),
        "```",
        "",
        f"`{ARCHIVE}` holds the experiment as a whole: `arena import verdicts {ARCHIVE}` makes it again elsewhere, with the same report.",
        "The gold answers are in `verdicts`, `beliefs` and `gold-labels`, and not in `weak-labels`.",
        "",
    ]
    for table in tables:
        text += _table_text(table, form)
    return "\n".join(text)


def _in_archive(options: Options) -> bool:
    return not any(part == "passages" for part in options.without)


def _listed(licences: Mapping[str, int]) -> str:
    return ", ".join(f"{name or 'none given'} ({count} passages)" for name, count in sorted(licences.items()))


def _table_text(table: _Table, form: Format) -> list[str]:
    lines = [
        f"## {table.what.value}",
        "",
        f"{ABOUT[table.what]} {table.rows} rows in `data/{table.path.name}`.",
        "",
        "| column | type | what it is |",
        "| --- | --- | --- |",
    ]
    for path, column in described(table.columns):
        optional = "?" if column.optional else ""
        lines.append(f"| `{path}` | {kind_name(column.kind)}{optional} | {column.description} |")
    return [*lines, ""]


# ── Croissant ───────────────────────────────────────────────────────────────────────────────────────────────────

CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that Croissant 1.0 gives."""
CROISSANT = "http://mlcommons.org/croissant/1.0"
ENCODINGS = {
    Format.PARQUET: "application/x-parquet",
    Format.JSONL: "application/jsonlines",
    Format.CSV: "text/csv",
}
DATA_TYPES = {
    Scalar.TEXT: "sc:Text",
    Scalar.WHOLE: "sc:Integer",
    Scalar.NUMBER: "sc:Float",
    Scalar.YES_NO: "sc:Boolean",
    Scalar.TIME: "sc:DateTime",
    Scalar.JSON: "sc:Text",
}


def _croissant(
    experiment: Experiment,
    tables: Sequence[_Table],
    licences: Mapping[str, int],
    form: Format,
    published: Any,
) -> dict[str, Any]:
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CROISSANT,
        "name": re.sub(r"[^A-Za-z0-9_-]+", "-", experiment.name),
        "description": (
            "An experiment of scalable oversight: judges who cannot read a passage decide on what is argued by those who can. Columns of "
            "nested values are described in README.md."
        ),
        "license": _listed(licences),
        "url": f"urn:sha256:{experiment.digest}",
        "version": "1.0.0",
        "datePublished": published.astimezone(UTC).date().isoformat(),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": table.path.name,
                "name": table.path.name,
                "contentUrl": f"data/{table.path.name}",
                "encodingFormat": ENCODINGS[form],
                "sha256": hashlib.sha256(table.path.read_bytes()).hexdigest(),
            }
            for table in tables
        ],
        "recordSet": [_record_set(table, form) for table in tables],
    }


def _record_set(table: _Table, form: Format) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": table.what.value,
        "name": table.what.value,
        "description": ABOUT[table.what],
        "field": list(_fields(table, form)),
    }


def _fields(table: _Table, form: Format) -> Iterable[dict[str, Any]]:
    """Yield the fields of a table that are plain values, or lists of these."""
    for column in table.columns:
        repeated = isinstance(column.kind, ListOf)
        kind = column.kind.kind if isinstance(column.kind, ListOf) else column.kind
        if not isinstance(kind, Scalar) or (repeated and form is Format.CSV):
            continue
        yield {
            "@type": "cr:Field",
            "@id": f"{table.what.value}/{column.name}",
            "name": column.name,
            "description": column.description,
            "dataType": DATA_TYPES[kind],
            **({"repeated": True} if repeated else {}),
            "source": {"fileObject": {"@id": table.path.name}, "extract": {"column": column.name}},
        }
