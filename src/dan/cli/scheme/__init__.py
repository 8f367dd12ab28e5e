"""``dan scheme``: what landmarks are: known schemes, one's own, and mirrors found from faces."""

import typer

from dan.cli.scheme import infer, list_schemes, show

app = typer.Typer(help="Landmark schemes: list, show, infer a mirror.", no_args_is_help=True)
app.command("list")(list_schemes.list_schemes)
app.command("show")(show.show)
app.command("infer")(infer.infer)
