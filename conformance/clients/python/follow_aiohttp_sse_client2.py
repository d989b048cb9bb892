import asyncio
import random

import aiohttp
from aiohttp_sse_client2.client import EventSource

# By default aiohttp ends a request after five minutes.
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=65)


def follow(url, token, hear):
    asyncio.run(follow_async(url, token, hear))


async def follow_async(url, token, hear):
    """It reconnects by itself after an end, but not after a broken connection; the loop is for that."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        while True:
            try:
                async with EventSource(url, session=session, headers=headers) as source:
                    async for event in source:
                        hear(event.last_event_id, event.type, event.data)
                        # Only now: an event that has not been processed must be sent again.
                        if event.last_event_id:
                            headers["Last-Event-Id"] = event.last_event_id
                    return
            # Any status except 200 is a ConnectionError, which ends the loop.
            except aiohttp.ClientError:
                await asyncio.sleep(random.uniform(2, 3))
