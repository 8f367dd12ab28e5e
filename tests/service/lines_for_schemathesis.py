"""Read by schemathesis: how it sends the lines of a batch, which it does not know."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def as_lines(context, value):
    """One line of JSON."""
    del context
    return json.dumps(value).encode()
