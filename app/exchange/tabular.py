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

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from app.csv_cells import csv_cell
from app.errors import UserError
from app.exchange.choices import Format
from app.records.columns import Column, ColumnKind, ListOf, Scalar


class ExportRefused(UserError, ValueError):
    """Nothing was written. The text is one sentence that says why and what to do."""


STDOUT = Path("-")
GROUP = 200
"""Rows of a row group of a Parquet file, whatever number is written at once. A frame is a row group, however many rows it has."""
SOME = 1_000
"""Rows of a frame that are Python's objects at once."""
Row: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = Sequence[Row] | pl.DataFrame
"""Some rows, or a frame of them. Each has every column of the schema, with values of its types."""
Write: TypeAlias = Callable[[Rows], None]
"""Writes some rows."""


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
        yield lambda rows: write(_batch(rows, schema), len(rows) if isinstance(rows, pl.DataFrame) else GROUP)


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


def series_of(name: str, values: Sequence[Any], kind: ColumnKind) -> pl.Series:
    """Return values of Python as a column of a frame. Arrow takes nested ones many times faster than Polars."""
    return pl.Series(name, pa.array(values, _arrow_kind(kind)))


def each_in_a_list(values: pl.Series) -> pl.Series:
    """Return a column of lists, each with one of these values."""
    offsets = np.arange(values.len() + 1)
    return pl.Series(values.name, pa.LargeListArray.from_arrays(offsets, values.rechunk().to_arrow()))


def _arrow_kind(kind: ColumnKind) -> Any:
    if isinstance(kind, Scalar):
        return _ARROW[kind]
    if isinstance(kind, ListOf):
        return pa.list_(_arrow_kind(kind.kind))
    return pa.struct([_arrow_field(part) for part in kind.columns])


def _batch(rows: Rows, schema: Any) -> Any:
    """Return rows as a `pyarrow.Table`."""
    if isinstance(rows, pl.DataFrame):
        held = rows.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
        columns = [_retyped(held.column(field.name).combine_chunks(), field.type) for field in schema]
        return pa.Table.from_arrays(columns, schema=schema)
    columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _retyped(values: Any, kind: Any) -> Any:
    """Return an array of a frame as one of a type, which differs in the width of offsets and in what fields say of themselves."""
    if pa.types.is_list(kind):
        inner = _retyped(values.flatten(), kind.value_type)
        sizes = pc.fill_null(pc.list_value_length(values), 0)
        offsets = np.concatenate([[0], np.cumsum(sizes.to_numpy(zero_copy_only=False))])
        return pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()),
            inner,
            type=kind,
            mask=values.is_null() if values.null_count else None,
        )
    if pa.types.is_struct(kind):
        parts = [_retyped(values.field(part.name), part.type) for part in kind]
        return pa.StructArray.from_arrays(parts, fields=list(kind))
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, values.cast(kind.storage_type))
    return values.cast(kind)


@contextmanager
def _parquet(stream: BinaryIO, schema: Any) -> Iterator[Callable[[Any, int], None]]:
    held = schema.empty_table()
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:

        def write(batch: Any, group: int) -> None:
            nonlocal held
            held = pa.concat_tables([held, batch])
            while held.num_rows >= group:
                writer.write_table(held.slice(0, group).combine_chunks())
                held = held.slice(group)

        yield write
        if held.num_rows:
            writer.write_table(held.combine_chunks())


@contextmanager
def _json_lines(stream: BinaryIO, schema: Any) -> Iterator[Callable[[Any, int], None]]:
    raw = [field.name for field in schema if field.type == pa.json_()]

    def write(batch: Any, _: int) -> None:
        for row in _as_rows(batch):
            row |= {name: orjson.Fragment(row[name]) for name in raw if row[name] is not None}
            stream.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    yield write


@contextmanager
def _csv(stream: BinaryIO, schema: Any) -> Iterator[Callable[[Any, int], None]]:
    def lines(rows: Iterable[Iterable[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        stream.write(text.getvalue().encode())

    lines([schema.names])
    yield lambda batch, _: lines(map(csv_cell, row.values()) for row in _as_rows(batch))


def _as_rows(batch: Any) -> Iterator[dict[str, Any]]:
    for start in range(0, batch.num_rows, SOME):
        yield from batch.slice(start, SOME).to_pylist()


_FORMS: dict[Format, Callable[[BinaryIO, Any], AbstractContextManager[Callable[[Any, int], None]]]] = {
    Format.JSONL: _json_lines,
    Format.CSV: _csv,
    Format.PARQUET: _parquet,
}
