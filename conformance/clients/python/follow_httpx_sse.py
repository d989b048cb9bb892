import random
import time

import httpx
from httpx_sse import connect_sse


def follow(url, token, hear):
    """Reconnects until the stream has ended (204). httpx-sse reads one response; the loop is ours."""
    headers = {"Authorization": f"Bearer {token}"}
    retry_s = 2
    # The default of 5 s is shorter than the 30 s between two heartbeats of the gateway.
    with httpx.Client(timeout=httpx.Timeout(10, read=65)) as client:
        while True:
            try:
                with connect_sse(client, "GET", url, headers=headers) as source:
                    status = source.response.status_code
                    if status == 204:
                        return
                    if 400 <= status < 500:
                        raise PermissionError(f"refused: {status}")
                    for event in source.iter_sse():
                        if event.retry is not None:
                            retry_s = event.retry / 1000
                        # It also delivers blocks without data, which are not events.
                        if event.data:
                            hear(event.id, event.event, event.data)
                        # Only now: an event that has not been processed must be sent again.
                        if event.id:
                            headers["Last-Event-ID"] = event.id
            except httpx.TransportError:
                pass
            time.sleep(retry_s * random.uniform(1, 1.5))
