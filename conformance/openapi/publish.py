"""Publishes with a client that openapi-python-client generated, then reads the event back, and one that does not exist."""

import json
import os

from sluice_client import AuthenticatedClient
from sluice_client.api.events import get_event, publish_events
from sluice_client.models import Event, NewEvent, NewEventData, Problem, PublishEventsResponse201

client = AuthenticatedClient(base_url=os.environ["SLUICE_URL"], token=os.environ["SLUICE_TOKEN"])
body = [NewEvent(type_="order.placed", data=NewEventData.from_dict({"by": "python"}))]
published = publish_events.sync(client=client, body=body, idempotency_key="python-1")
assert isinstance(published, PublishEventsResponse201), published
event = get_event.sync(published.events[0].id, client=client)
assert isinstance(event, Event), event
print(event.type_, json.dumps(event.data.to_dict(), separators=(",", ":")))
problem = get_event.sync("999999999", client=client)
assert isinstance(problem, Problem), problem
print(f"{problem.status} {problem.code}: {problem.detail}")
