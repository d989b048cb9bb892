"""What schemathesis does not know: bodies of lines of JSON, and a route that waits."""

import json

import schemathesis

LINES = "application/x-ndjson"


@schemathesis.serializer(LINES)
def write(_context, value):
    if isinstance(value, str):
        return value.encode()
    documents = value if isinstance(value, list) else [value]
    return "".join(json.dumps(document) + "\n" for document in documents).encode()


@schemathesis.deserializer(LINES)
def read(_context, response):
    for line in response.content.splitlines():
        json.loads(line)
    return response.text


@schemathesis.hook
def before_call(_context, case, _kwargs):
    """A runner waits for a job as long as it says, at most 30 s. Here there is none."""
    if case.operation.path != "/api/jobs/claim" or not isinstance(case.body, dict):
        return
    wait = case.body.get("wait_ms")
    if isinstance(wait, int) and 100 < wait <= 30_000:
        case.body = {**case.body, "wait_ms": 100}
