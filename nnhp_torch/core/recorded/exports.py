"""Tables of runs as people have them: data frames, any CSV, and what W&B and TensorBoard make of several runs."""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nnhp_torch.core.spec.base import plain
from nnhp_torch.core.spec.names import flat, typed

Row = dict[str, Any]


def rows_of(table: Any) -> list[Row]:
    """Return the rows of a data frame, of mappings or of CSV files, each as column → value; what is missing is None."""
    paths = [table] if isinstance(table, (str, Path)) else table
    if isinstance(paths, list) and all(isinstance(path, (str, Path)) for path in paths):
        return [flat(row) for path in paths for row in _read(Path(path))]
    _once_each("the frame", [*map(str, getattr(table, "columns", ()))])
    to_rows = {"to_dicts": (), "to_dict": ("records",)}  # polars, pandas
    rows = next((getattr(table, name)(*how) for name, how in to_rows.items() if hasattr(table, name)), table)
    if not (isinstance(rows, Sequence) and all(isinstance(row, Mapping) for row in rows)):
        raise ValueError(f"runs are rows: a data frame, a list of mappings or a CSV, not {type(table).__name__}")
    return [flat({str(name): _read_as(str(name), plain(value)) for name, value in row.items()}) for row in rows]


def _once_each(table: object, header: Sequence[str]) -> None:
    if twice := {name for name in header if name and header.count(name) > 1}:
        raise ValueError(f"{table} has two columns called {min(twice)!r}")


def _read(path: Path) -> Iterator[Row]:
    try:
        text = (read := path.read_bytes()).decode("utf-16" if read[:1] in b"\xff\xfe" else "utf-8-sig").lstrip("\r\n")
        separator = max(",;\t", key=text.partition("\n")[0].count)
        table = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        _once_each(path, table.fieldnames or [])
        for number, row in enumerate(table, 1):
            if None in row:
                raise ValueError(f"{path} has more fields in row {number} than its first line has names")
            named = {name: _read_as(name, text) for name, text in row.items() if name and text is not None}
            yield from _of_exports(path, named)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no table in UTF-8: {error}") from error


def _read_as(column: str, text: Any) -> Any:
    """Return what a text spells, a mapping if W&B's API has written one there; what is no text stays, but NaN."""
    if not isinstance(text, str):
        return text if text == text else None
    if column in ("config", "summary") and text.startswith("{") and len(text) < 100_000:
        try:
            return ast.literal_eval(re.sub(r"(?<=: )(nan|-?inf)\b", "None", text))
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return text
    return typed(text)


def _of_exports(path: Path, row: Row) -> Iterator[Row]:
    """Yield the rows that a row of an export stands for."""
    names = [*row]
    if names == ["Wall time", "Step", "Value"] and (of_file := re.fullmatch(r"run-(.+)-tag-(.+)", path.stem)):
        yield {"run": of_file[1], "step": row["Step"], of_file[2]: row["Value"]}
    elif {"run", "tag", "value"} <= row.keys():
        yield {"run": row["run"], "step": row.get("step"), str(row["tag"]): row["value"]}
    elif names[1:] and all(" - " in name for name in names[1:]):  # a chart of W&B's along its first column
        runs: dict[str, Row] = {}
        for name in names[1:]:  # beside each metric its __MIN and __MAX, and a _step where the first is none
            run, _, metric = name.rpartition(" - ")
            runs.setdefault(run, {"run": run, names[0]: row[names[0]]})[metric] = row[name]
        yield from runs.values()
    else:
        yield row
