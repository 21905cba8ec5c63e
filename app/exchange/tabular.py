"""Tables of declared columns as JSON Lines, CSV or Parquet, and files that appear whole or not at all."""

import csv
import io
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from app.csv_cells import csv_cell
from app.errors import UserError
from app.exchange.choices import Format
from app.records.columns import Column, ColumnKind, ListOf, Scalar


class ExportRefused(UserError, ValueError):
    """Nothing was written. The text is one sentence that says why and what to do."""


STDOUT = Path("-")
GROUP = 200
"""Rows of a row group of a Parquet file, whatever number is written at once."""
Row: TypeAlias = Mapping[str, Any]
Write: TypeAlias = Callable[[Sequence[Row]], None]
"""Writes some rows. Each must have every column of the schema, with values of its types."""


# ── where to ────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def destination(target: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Open a stream of bytes to `target`: a file that appears under its name once it is complete, stdout
    (`-`), or itself.

    Raise ExportRefused where the file cannot be written. An existing file then stays.
    """
    if not isinstance(target, Path):
        yield target
    elif target == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        _refuse_special(target)
        try:
            with _replacing(Path(os.path.realpath(target))) as stream:
                yield stream
        except OSError as error:
            raise ExportRefused(
                f"{target} cannot be written ({error.strerror or error}): name a file in another place."
            ) from error


def _refuse_special(target: Path) -> None:
    if target.is_dir():
        raise ExportRefused(f"{target} is a folder: name a file in it.")
    if target.exists() and not target.is_file():
        raise ExportRefused(
            f"{target} is not an ordinary file: name one, or write - for the standard output."
        )


@contextmanager
def _replacing(target: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `target` that replaces it at the end, and is deleted after a failure."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


# ── in which form ───────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def table(stream: BinaryIO, form: Format, columns: Sequence[Column]) -> Iterator[Write]:
    """Yield a writer of rows to a table in `stream` with these columns."""
    schema = arrow_schema(columns)
    with _FORMS[form](stream, schema) as write:
        yield lambda rows: write(_batch(rows, schema))


_ARROW: Mapping[Scalar, Any] = {
    Scalar.TEXT: pa.string(),
    Scalar.WHOLE: pa.int64(),
    Scalar.NUMBER: pa.float64(),
    Scalar.YES_NO: pa.bool_(),
    Scalar.TIME: pa.timestamp("us", "UTC"),
    Scalar.JSON: pa.json_(),
}


def arrow_schema(columns: Sequence[Column]) -> Any:
    """Return the `pyarrow.Schema` of columns, with their descriptions."""
    return pa.schema(map(_arrow_field, columns))


def _arrow_field(column: Column) -> Any:
    about = {"description": column.description}
    return pa.field(column.name, _arrow_kind(column.kind), nullable=column.optional, metadata=about)


def _arrow_kind(kind: ColumnKind) -> Any:
    if isinstance(kind, Scalar):
        return _ARROW[kind]
    if isinstance(kind, ListOf):
        return pa.list_(_arrow_kind(kind.kind))
    return pa.struct([_arrow_field(part) for part in kind.columns])


def _batch(rows: Sequence[Row], schema: Any) -> Any:
    columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


@contextmanager
def _parquet(stream: BinaryIO, schema: Any) -> Iterator[Callable[[Any], None]]:
    held = schema.empty_table()
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:

        def write(batch: Any, least: int = GROUP) -> None:
            nonlocal held
            held = pa.concat_tables([held, pa.Table.from_batches([batch])])
            while held.num_rows >= least:
                writer.write_table(held.slice(0, GROUP).combine_chunks())
                held = held.slice(GROUP)

        yield write
        if held.num_rows:
            writer.write_table(held.combine_chunks())


@contextmanager
def _json_lines(stream: BinaryIO, schema: Any) -> Iterator[Callable[[Any], None]]:
    raw = [field.name for field in schema if field.type == pa.json_()]

    def write(batch: Any) -> None:
        for row in batch.to_pylist():
            row |= {name: orjson.Fragment(row[name]) for name in raw if row[name] is not None}
            stream.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    yield write


@contextmanager
def _csv(stream: BinaryIO, schema: Any) -> Iterator[Callable[[Any], None]]:
    def lines(rows: Iterable[Iterable[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        stream.write(text.getvalue().encode())

    lines([schema.names])
    yield lambda batch: lines(map(csv_cell, row.values()) for row in batch.to_pylist())


_FORMS: dict[Format, Callable[[BinaryIO, Any], AbstractContextManager[Callable[[Any], None]]]] = {
    Format.JSONL: _json_lines,
    Format.CSV: _csv,
    Format.PARQUET: _parquet,
}
