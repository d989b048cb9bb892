"""The examples of README.md, each as a program of its own against the gateway at SLUICE_URL."""

import os
import re
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from sluice_client import Client

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = {name: code for name, code in re.findall(r"^```python (\w+)\n(.*?)^```$", README, re.M | re.S)}
PATIENCE_S = 60.0
PART = f"R-{uuid.uuid4()}"
# What each writes once the item of the test has been created; the last one ends by itself.
WRITES = {
    "feed": f"^{PART} Bracket$",
    "asyncio": f"^item.created .*{PART}",
    "reload": r"^\d+ items\n(.*\n)*item.created$",
    "consumer": "^handled item.created$",
    "calls": r"^\d+\.\w{6}\ncancelled\n404 not-found\n$",
}


def test_all_examples_are_tested() -> None:
    assert EXAMPLES.keys() == WRITES.keys()


@pytest.mark.parametrize("name", WRITES)
def test_an_example_does_what_it_says(name: str, tmp_path: Path) -> None:
    env = {**os.environ, "SLUICE_TOKEN": os.environ["SLUICE_EDITOR"]}
    program = subprocess.Popen(
        [sys.executable, "-c", EXAMPLES[name]],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    timer = threading.Timer(PATIENCE_S, program.kill)
    timer.start()
    output = ""
    assert program.stdout is not None
    with Client(os.environ["SLUICE_URL"], token=env["SLUICE_TOKEN"]) as client:
        if name == "reload":
            # It follows from the list that it has loaded.
            output = program.stdout.readline()
        part = PART if name != "reload" else f"{PART}-2"
        if not list(client.items.all(search=part)):
            client.items.create(part, description="Bracket", item_type="part")
    for line in program.stdout:
        output += line
        if name != "calls" and re.search(WRITES[name], output, re.M):
            program.kill()
    timer.cancel()
    program.wait()
    program.stdout.close()

    assert re.search(WRITES[name], output, re.M), output
