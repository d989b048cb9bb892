/**
 * The encodings of streams against parsers that know nothing of them: a reference written from the standard's text, and
 * eventsource-parser. SLUICE_SEED repeats a run.
 */
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import t from 'tap'
import { byNight } from '../../harness/nightly.js'
import { type Random, randomFrom } from '../../harness/random.js'
import { type Block, type Expected, randomBlock, shown } from '../../harness/random-blocks.js'
import { type DispatchedMessage, ReferenceParser } from '../../harness/reference-parser.js'
import { seedOfRun } from '../../harness/seed.js'

const INPUTS = byNight(1_000_000, 10_000_000)
const PER_STREAM = 500
const seed = seedOfRun()

t.test(
  `two parsers get every message of ${INPUTS} random inputs as it was (SLUICE_SEED=${seed})`,
  async t => {
    const random = randomFrom(seed)
    let messages = 0
    for (let inputs = 0; inputs < INPUTS; inputs += PER_STREAM) {
      const blocks = Array.from({ length: PER_STREAM }, () => randomBlock(random))
      const pieces = cut(Buffer.concat(blocks.map(({ bytes }) => bytes)), random)

      const fault = faultOf(blocks, pieces)

      if (fault) throw new Error(`SLUICE_SEED=${seed}, inputs from ${inputs}: ${fault}`)
      messages += blocks.reduce((sum, block) => sum + block.messages.length, 0)
    }
    t.ok(messages > INPUTS / 2, `${messages} messages`)
  },
)

/** What the first parser that got something else got; undefined if both got everything. */
function faultOf(blocks: readonly Block[], pieces: readonly Uint8Array[]): string | undefined {
  const expected = messagesOf(blocks)
  const reference = new ReferenceParser()
  const theirs: EventSourceMessage[] = []
  const errors: string[] = []
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const parser = createParser({
    onEvent: message => theirs.push(message),
    onError: ({ message }) => errors.push(message),
  })
  for (const piece of pieces) {
    reference.feed(piece)
    parser.feed(decoder.decode(piece, { stream: true }))
  }
  if (errors.length > 0) return shown(errors[0])
  const found = theirs.map(({ id, event, data }) => ({ id, type: event || 'message', data }))
  const last = blocks.findLast(({ id }) => id !== undefined)?.id ?? ''
  if (reference.lastEventId !== last)
    return `the last event id is ${shown(reference.lastEventId)}, not ${shown(last)}`
  return (
    differenceOf(expected, reference.messages, (one, { lastEventId }) => one.lastEventId === lastEventId) ??
    differenceOf(expected, found, (one, { id }) => one.id === id)
  )
}

interface ExpectedMessage extends Expected {
  readonly id: string | undefined
  readonly lastEventId: string
}

function messagesOf(blocks: readonly Block[]): ExpectedMessage[] {
  let lastEventId = ''
  return blocks.flatMap(({ id, messages }) => {
    lastEventId = id ?? lastEventId
    return messages.map(message => ({ ...message, id, lastEventId }))
  })
}

function differenceOf<Found extends Omit<DispatchedMessage, 'lastEventId'>>(
  expected: readonly ExpectedMessage[],
  found: readonly Found[],
  hasId: (expected: ExpectedMessage, found: Found) => boolean,
): string | undefined {
  const at = expected.findIndex((one, at) => {
    const other = found[at]
    if (!other || one.type !== other.type || !hasId(one, other)) return true
    return typeof one.data === 'string' ? one.data !== other.data : !one.data(other.data)
  })
  if (at >= 0) return `message ${at} is ${shown(found[at])}, not ${shown(expected[at])}`
  return found.length === expected.length ? undefined : `one too many: ${shown(found.at(-1))}`
}

/** The bytes in pieces: cut at any byte, and one stream of 40 at every byte. */
function cut(bytes: Uint8Array, random: Random): Uint8Array[] {
  const longest = random.integer(40) === 0 ? 1 : random.pick([64, 1_024, 65_536])
  const pieces: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.integer(longest)
    pieces.push(bytes.subarray(at, at + length))
    at += length
  }
  return pieces
}
