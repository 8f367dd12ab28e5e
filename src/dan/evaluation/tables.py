"""A report of tables and pictures as Markdown and as HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Table:
    """A titled table; the first column is text, the others are figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def table_lines(table: Table) -> list[str]:
    """The table itself as Markdown, without title and note."""
    return [
        f"| {' | '.join(table.columns)} |",
        "| --- |" + " ---: |" * (len(table.columns) - 1),
        *(f"| {' | '.join(row)} |" for row in table.rows),
    ]


def render_markdown(
    about: Mapping[str, str], tables: Sequence[Table], pictures: Sequence[tuple[str, Path]]
) -> str:
    """The report as Markdown, pictures by their file names."""
    lines = ["# Evaluation", "", *(f"- {key}: {value}" for key, value in about.items()), ""]
    for table in tables:
        lines += [f"## {table.title}", "", *table_lines(table), ""]
        lines += [table.note, ""] if table.note else []
    for title, path in pictures:
        lines += [f"## {title}", "", f"![{title}]({path.name})", ""]
    return "\n".join(lines)


STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } img { max-width: 100% }
th, td { padding: .25rem .75rem; border-bottom: 1px solid #8886; text-align: right }
th:first-child, td:first-child { text-align: left }
@media (prefers-color-scheme: dark) { body { background: #181a1f; color: #ddd } }
"""


def render_html(
    about: Mapping[str, str], tables: Sequence[Table], pictures: Sequence[tuple[str, Path]]
) -> str:
    """The same as one HTML page."""
    escape = html.escape
    parts = ["<!doctype html><meta charset='utf-8'><title>Evaluation</title>"]
    parts += [f"<style>{STYLE}</style><h1>Evaluation</h1><ul>"]
    parts += [f"<li>{escape(key)}: {escape(value)}</li>" for key, value in about.items()]
    parts.append("</ul>")
    for table in tables:
        parts.append(f"<h2>{escape(table.title)}</h2><table><tr>")
        parts += [f"<th>{escape(column)}</th>" for column in table.columns]
        parts.append("</tr>")
        for row in table.rows:
            cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
            parts.append(f"<tr>{cells}</tr>")
        parts.append(f"</table><p>{escape(table.note)}</p>")
    for title, path in pictures:
        parts.append(f"<h2>{escape(title)}</h2><img src='{escape(path.name)}' alt=''>")
    return "\n".join(parts) + "\n"
