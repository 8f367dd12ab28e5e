"""``dan scheme``: what landmarks are: known schemes, one's own, and mirrors found from faces."""

from dan.cli.application import add_commands, group
from dan.cli.scheme import infer, list_schemes, show

app = group("Landmark schemes: list, show, infer a mirror.")
add_commands(app, {"list": list_schemes.list_schemes, "show": show.show, "infer": infer.infer})
