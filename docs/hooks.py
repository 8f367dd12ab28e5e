"""Docstrings name classes and functions by the roles of Sphinx; the site shows the names alone."""

import re

ROLE = re.compile(r":(?:class|func|meth|attr|data|mod):(?=<code>)")


def on_page_content(html: str, **_: object) -> str:
    """Called by mkdocs with the HTML of each page."""
    return ROLE.sub("", html)
