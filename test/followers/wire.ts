/**
 * Readers of the three forms of a stream, by the specifications, without a library and without the gateway's code. They keep nothing
 * but the rest of a line.
 */

/** One message. */
export interface Said {
  /** '' for a block that only moves the cursor. */
  readonly type: string
  /** Its own id. */
  readonly id: string | undefined
  readonly data: string
  /** All of it, as the checker compares it. */
  readonly text: string
}

export interface Reading {
  /** The id that the request brought. */
  readonly lastId: string | undefined
  readonly take: (said: Said) => void
  /** The delay in milliseconds that the server asks for. */
  readonly onRetry: (ms: number) => void
}

/** What a form of a stream is read by, piece by piece. */
export const READERS = {
  'text/event-stream': readEvents,
  'application/x-ndjson': readLines,
  envelope: readEnvelopes,
} satisfies Record<string, (reading: Reading) => (text: string) => void>

export type WireForm = keyof typeof READERS

/** WHATWG HTML §9.2.6, but that our streams have no comments and no byte order mark. */
export function readEvents({ lastId, take, onRetry }: Reading): (text: string) => void {
  let id = lastId
  let own: string | undefined
  let type = ''
  let data: string[] = []
  return splitLines(line => {
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'id') {
      id = value
      own = value
    } else if (field === 'event') type = value
    else if (field === 'data') data.push(value)
    else if (field === 'retry') onRetry(Number(value))
    else if (line === '') {
      const all = data.join('\n')
      // A block without data is none to an EventSource, but its id counts.
      if (data.length > 0) take({ type, id: own, data: all, text: `${id} ${type} ${all}` })
      else if (own !== undefined) take({ type: '', id: own, data: '', text: '' })
      own = undefined
      type = ''
      data = []
    }
  })
}

/** Each message is unnamed, and its data is a document. */
export function readEnvelopes(reading: Reading): (text: string) => void {
  return readEvents({
    ...reading,
    take: said => reading.take(said.type === '' && said.data !== '' ? documentIn(said.data) : said),
  })
}

/** NDJSON. */
export function readLines({ take }: Reading): (text: string) => void {
  return splitLines(line => line !== '' && take(documentIn(line)))
}

function documentIn(text: string): Said {
  const { id, type, data } = JSON.parse(text) as { id?: string; type: string; data?: object }
  return { type, id, data: JSON.stringify(data), text }
}

function splitLines(each: (line: string) => unknown): (text: string) => void {
  let rest = ''
  return text => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) each(line)
  }
}
