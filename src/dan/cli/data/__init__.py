"""``dan data``: data sets looked at, checked, cut in two and carried from one form to another."""

from dan.cli.application import add_commands, group
from dan.cli.data import check, convert, release_300w, show, split, stats

app = group("Check, convert, split, count and show annotated data.")
add_commands(
    app,
    {
        "check": check.check,
        "convert": convert.convert,
        "split": split.split,
        "stats": stats.stats,
        "show": show.show,
        "300w": release_300w.release_300w,
    },
)
