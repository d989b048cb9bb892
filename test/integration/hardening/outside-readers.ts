/** Everything of ours that reads a text from outside, each as a function of the text. */
import { blockReader } from '../../../clients/typescript/src/event-blocks.js'
import { formOf } from '../../../routes/stream-query.js'
import { parseApiKey } from '../../../src/auth/api-keys/api-key-secret.js'
import { readGrants } from '../../../src/auth/grants/grants.js'
import { browserOf } from '../../../src/auth/tickets/browser.js'
import { parseWake } from '../../../src/bus/wake-text.js'
import { GrowingBytes } from '../../../src/bytes/growing-bytes.js'
import { endWithin } from '../../../src/bytes/json-text.js'
import { textOf } from '../../../src/bytes/utf8.js'
import { chunksOf } from '../../../src/durable-streams/chunk.js'
import { elementsOf } from '../../../src/durable-streams/json-elements.js'
import { parseOffset } from '../../../src/durable-streams/reading/offset.js'
import { memberOf } from '../../../src/durable-streams/reading/single-member.js'
import { nextCursor } from '../../../src/durable-streams/reading/stream-cursor.js'
import { appendRequestOf, createRequestOf } from '../../../src/durable-streams/request-headers.js'
import { parseGlob } from '../../../src/durable-streams/subscriptions/glob.js'
import { declaredCharset } from '../../../src/http/request-body.js'
import { requireTarget } from '../../../src/http/request-target.js'
import { ifMatchHolds, isKnown } from '../../../src/items/etag.js'
import { runs } from '../../../src/jobs/dialects/runs.js'
import { linesOf } from '../../../src/jobs/upload-lines.js'
import { structured } from '../../../src/log/cloudevent-headers.js'
import { fromCloudEvent } from '../../../src/log/cloudevents.js'
import { ContentFilter } from '../../../src/log/content-filter/content-filter.js'
import { decimalOf } from '../../../src/log/content-filter/decimal.js'
import type { Position } from '../../../src/log/event.js'
import { parseEventId } from '../../../src/log/event-id.js'
import { parseTime } from '../../../src/log/event-time.js'
import { parseKeyPath } from '../../../src/log/latest.js'
import { parsePlaceName } from '../../../src/log/named-place.js'
import { TypeFilter } from '../../../src/log/type-filter.js'
import { cleanLines } from '../../../src/logging/redaction.js'
import { parseRange } from '../../../src/network/address-range.js'
import { parseCursor } from '../../../src/paging/page-cursor.js'
import { LineSplitter } from '../../../src/runner/lines.js'
import { encodeMessage } from '../../../src/sse/frame.js'
import { traceparentIn } from '../../../src/tracing/traceparent.js'

const LONGEST = 1_000_000
/** Bytes. */
const SMALL = 7
const WHERE = ContentFilter.parse('data.a.b eq "x" or data.a[1] gt 1.5 or data.b starts_with "aaa"')

export const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  'an event id': parseEventId,
  'a time': parseTime,
  'the name of a place': text => parsePlaceName('from', text),
  'the path of a key': parseKeyPath,
  'a list of types': TypeFilter.parse,
  'a list of many types': text => TypeFilter.parse(text.replaceAll('"', ',')),
  'a filter': ContentFilter.parse,
  'the string of a filter': text => ContentFilter.parse(`data.a eq ${JSON.stringify(text)}`),
  'the number of a filter': text => ContentFilter.parse(`data.a eq ${text}`),
  'the list of a filter': text => ContentFilter.parse(`data.a in (${text})`),
  'a number': decimalOf,
  'a string in an event': text => matches(JSON.stringify({ x: text, b: text, a: 1 })),
  'a name in an event': text => matches(JSON.stringify({ [text]: 1, a: { [text]: 1 } })),
  'many members of an event': text =>
    matches(`{${Array.from({ length: text.length / 8 }, () => '"a":{}').join()},"b":"a"}`),
  'a message with one member': text => memberOf(`{"json":${JSON.stringify(text)}}`, 'json'),
  'the elements of an array': text => elementsOf(`[${text}]`),
  'a body of JSON': text => chunksOf(Buffer.from(JSON.stringify([...text])), 'application/json'),
  'a body that is no JSON': text => chunksOf(Buffer.from(text), 'application/json'),
  'a body of text': text => chunksOf(Buffer.from(text), 'text/plain'),
  'a body of bytes': text => chunksOf(Buffer.from(text, 'utf16le'), 'a/b'),
  'the parts of a text': text => endWithin(text, 0, LONGEST),
  'bytes of UTF-8': text => textOf(Buffer.from(text), 'It'),
  'a request target': text => requireTarget(`/${text}`),
  'Content-Type': text => [declaredCharset(text), declaredCharset(`a;${text}`)],
  Accept: text => formOf({ headers: { accept: text } } as unknown as Parameters<typeof formOf>[0]),
  'If-Match': text => [ifMatchHolds(text, '"1"'), isKnown(text, '"1"')],
  Cookie: text => browserOf(text, true),
  Authorization: parseApiKey,
  traceparent: traceparentIn,
  'the headers of a CloudEvent': text =>
    structured({ 'ce-id': text, 'ce-a': `"${text}"` }, Buffer.from(text)),
  'a CloudEvent': text => fromCloudEvent(cloudEventOf(text)),
  'the headers of an append': text =>
    appendRequestOf({ 'content-type': text, 'stream-seq': text, 'producer-id': text }, Buffer.from(text)),
  'the headers of a creation': text =>
    createRequestOf({ 'content-type': text, 'stream-ttl': text }, Buffer.from(text), '/'),
  'the times of a creation': text => createRequestOf({ 'stream-expires-at': text }, undefined, '/'),
  'an offset': parseOffset,
  'a cursor of a stream': text => nextCursor(text),
  'a cursor of a page': text => parseCursor('jobs', text, /^[0-9]+$/),
  'a pattern of paths': parseGlob,
  'a range of addresses': parseRange,
  grants: text => readGrants({ streams: text.split('"'), types: [text] }),
  'a wake-up': text => [parseWake(text), parseWake(`a:${text}`)],
  'a line of the log': cleanLines,
  'the data of a frame': text => encodeMessage({ data: text }),
  'the event of a run': text =>
    runs.event({
      ...{ type: 'log', at: new Date(0), position: 1 as Position, eventId: ID },
      data: JSON.stringify({ a: text }),
    }),
  'a stream of events': text => eventsIn([Buffer.from(text)]),
  'a stream of events, byte by byte': text => eventsIn(singly(text)),
  'a stream with fields': text =>
    eventsIn([Buffer.from(`id: 1\ndata: ${text.replaceAll('"', '\ndata: ')}\n\n`)]),
  'lines, byte by byte': text => {
    const splitter = new LineSplitter()
    for (const byte of singly(text)) splitter.push(byte)
  },
  'an upload, in small pieces': async text => {
    for await (const _ of linesOf(arriving(text), LONGEST, new AbortController().signal));
  },
  'a body, byte by byte': text => {
    const bytes = new GrowingBytes()
    for (const byte of singly(text)) bytes.add(byte)
    return bytes.take()
  },
}

const ID = '00000000-0000-4000-8000-000000000000'

function matches(data: string): boolean {
  return WHERE.matches({ type: 'log', data })
}

function cloudEventOf(text: string) {
  return {
    specversion: '1.0',
    id: text,
    source: text,
    type: 'a',
    [text]: text,
    traceparent: text,
    data_base64: text,
  }
}

function* eventsRead(pieces: Iterable<Buffer>) {
  const read = blockReader('', { maxEventBytes: LONGEST, onRetry() {} })
  for (const piece of pieces) yield* read(piece)
}

function eventsIn(pieces: Iterable<Buffer>): number {
  return [...eventsRead(pieces)].length
}

function singly(text: string): Buffer[] {
  return Array.from(Buffer.from(text), byte => Buffer.of(byte))
}

async function* arriving(text: string) {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += SMALL) yield bytes.subarray(at, at + SMALL)
}
