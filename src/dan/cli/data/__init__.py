"""``dan data``: data sets looked at, checked, cut in two and carried from one form to another."""

import typer

from dan.cli.data import check, convert, release_300w, show, split, stats

app = typer.Typer(
    help="Check, convert, split, count and show annotated data.", no_args_is_help=True
)
app.command("check")(check.check)
app.command("convert")(convert.convert)
app.command("split")(split.split)
app.command("stats")(stats.stats)
app.command("show")(show.show)
app.command("300w")(release_300w.release_300w)
