/** The form of items in a durable stream: messages of a JSON stream; texts or bytes of any other. */
import type { SourceEnd } from './batches.js'
import type { DurableStream } from './durable-stream.js'
import type { Batch } from './stream-writer.js'

type Item = string | Uint8Array

interface Parts {
  errorPart(error: unknown): unknown
  abortPart(): unknown
}

export interface Format {
  encode(value: unknown): Item
  bodyOf(items: readonly Item[]): Pick<Batch, 'body' | 'count'>
  /** The parts after the last item. Only JSON streams have them: in others they would be taken for content. */
  partsOf(end: SourceEnd, parts: Parts): readonly Item[]
}

export function itemsOf({ isJson, contentType }: DurableStream): Format {
  return isJson ? jsonFormat : bytesFormat(contentType)
}

const jsonFormat: Format = {
  encode(value) {
    const text = JSON.stringify(value)
    if (text === undefined)
      throw new TypeError('The source gave a value that is not JSON, such as undefined.')
    return text
  },
  // An array of messages: a message that is an array itself is not taken for several.
  bodyOf: items => ({ body: items.length > 0 ? `[${items.join(',')}]` : undefined, count: items.length }),
  partsOf(end, { errorPart, abortPart }) {
    const part =
      end.how === 'failed' ? errorPart(end.error) : end.how === 'cancelled' ? abortPart() : undefined
    return part === undefined ? [] : [jsonFormat.encode(part)]
  },
}

function bytesFormat(contentType: string): Format {
  const encoder = new TextEncoder()
  return {
    encode(value) {
      if (typeof value === 'string') return encoder.encode(value)
      if (value instanceof Uint8Array) return value
      throw new TypeError(`The source of a stream of ${contentType} must give texts or bytes.`)
    },
    bodyOf(items) {
      const count = items.reduce((sum, { length }) => sum + length, 0)
      const body = new Uint8Array(count)
      let at = 0
      for (const item of items) {
        body.set(typeof item === 'string' ? encoder.encode(item) : item, at)
        at += item.length
      }
      return { body: count > 0 ? body : undefined, count }
    },
    partsOf: () => [],
  }
}
