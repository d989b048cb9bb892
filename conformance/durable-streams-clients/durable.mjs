// Reading and writing with @durable-streams/client across broken connections, in Node and in pages.
import { DurableStream, IdempotentProducer, stream } from '@durable-streams/client'

const PAUSE_MS = 25
/** The last message of a JSON stream. */
export const END = { end: true }

/**
 * Follows a stream to its end, by `catch-up`, `long-poll` or `sse`. `hear` gets the messages of a JSON stream, or the bytes of another one, in
 * pieces. The place to begin again is that of the last batch that was heard: only it has all messages before it.
 */
export async function read(url, token, mode, hear) {
  const place = { offset: '-1', closed: false }
  while (!place.closed) {
    try {
      await readOn(url, token, mode, hear, place)
    } catch (error) {
      // What the gateway refuses stays refused.
      if (error.status >= 400 && error.status < 500) throw error
    }
    if (!place.closed) await pause()
  }
}

/** One session of the client, from the place on, which it moves. */
async function readOn(url, token, mode, hear, place) {
  const live = mode === 'catch-up' ? false : mode
  const response = await stream({
    url,
    headers: headers(token),
    offset: place.offset,
    live,
    warnOnHttp: false,
  })
  const json = response.contentType?.startsWith('application/json')
  let over = false
  const ended = new Promise(resolve => {
    const take = batch => {
      // After `closed` a batch may still be under way: the next session reads it again.
      if (over) return
      if (json) batch.items.forEach(hear)
      else if (batch.data.length > 0) hear(batch.data)
      place.offset = batch.offset
      place.closed = batch.streamClosed
      if (batch.streamClosed || (!live && batch.upToDate)) resolve()
    }
    if (json) response.subscribeJson(take)
    else response.subscribeBytes(take)
  })
  try {
    // `closed` resolves when nothing more is read, which may be before the last batch has come.
    await Promise.race([ended, response.closed.then(() => Promise.race([ended, pause()]))])
  } finally {
    over = true
  }
}

/**
 * Appends messages with an idempotent producer, a few milliseconds apart. A request without an answer is sent again as it was: the
 * producer itself repeats only requests that overtook each other.
 */
export async function write(url, token, writer, messages) {
  const handle = await DurableStream.connect({
    url,
    headers: headers(token),
    fetch: repeating(),
    warnOnHttp: false,
  })
  const repeated = { requests: 0 }
  let failure
  const producer = new IdempotentProducer(handle, writer, {
    lingerMs: 3,
    fetch: repeating(repeated),
    onError(error) {
      failure = error
    },
  })
  for (let n = 1; n <= messages; n += 1) {
    producer.append(JSON.stringify({ writer, n, text: 'Ä Ω 𝄞 \u2028 data: \r\n' }))
    await pause(2)
  }
  await producer.flush()
  await producer.detach()
  if (failure) throw failure
  return repeated.requests
}

/** Appends bytes one request at a time, numbered by Stream-Seq: a conflict means that an earlier attempt was stored. */
export async function writeBytes(url, token, messages) {
  const handle = await DurableStream.connect({ url, headers: headers(token), warnOnHttp: false })
  const append = async (n, bytes) => {
    try {
      await handle.append(bytes, { seq: String(n).padStart(8, '0') })
    } catch (error) {
      if (error.status !== 409) throw error
    }
  }
  for (let n = 1; n <= messages; n += 1) {
    await append(n, Uint8Array.of(n >> 8, n & 255, 0xff, 0x00, 0x0a))
    await pause(2)
  }
  await append(messages + 1, new TextEncoder().encode('END'))
  await handle.close()
}

/** Appends the last message of a JSON stream and closes it. */
export async function close(url, token) {
  const handle = await DurableStream.connect({ url, headers: headers(token), warnOnHttp: false })
  const producer = new IdempotentProducer(handle, 'closer', { fetch: repeating() })
  await producer.close(JSON.stringify(END))
}

/** A fetch that repeats requests without an answer, and those that no gateway has answered. */
function repeating(repeated = { requests: 0 }) {
  return async (...request) => {
    for (;;) {
      const response = await fetch(...request).catch(() => undefined)
      if (response && response.status < 500 && response.status !== 429) return response
      repeated.requests += 1
      await pause()
    }
  }
}

function headers(token) {
  return { authorization: `Bearer ${token}` }
}

function pause(ms = PAUSE_MS) {
  return new Promise(resolve => setTimeout(resolve, ms))
}
