/** The lines of an upload, as bytes, as its pieces arrive. No byte is looked at twice, however small the pieces are. */

import { GrowingBytes } from '../bytes/growing-bytes.js'
import { Problem } from '../problems/problem.js'

const LF = 0x0a

export interface Arrived {
  /** The lines that ended with this piece. */
  readonly lines: readonly Buffer[]
  /** Bytes of the line that has not ended. */
  readonly open: number
}

/**
 * Of a line that is longer than `longest` only the beginning.
 * @param signal ends it, and is thrown with its reason, even while nothing arrives.
 * @throws {Problem} 400 `upload-broken` when the sender went away.
 */
export async function* linesOf(
  body: AsyncIterable<Uint8Array>,
  longest: number,
  signal: AbortSignal,
): AsyncGenerator<Arrived> {
  const open = new GrowingBytes()
  const pieces = body[Symbol.asyncIterator]()
  let abandon = (_reason: unknown) => {}
  const end = () => abandon(signal.reason)
  // One listener for all pieces: a race of each with one promise would keep something for each.
  signal.addEventListener('abort', end)
  const next = () =>
    new Promise<IteratorResult<Uint8Array, unknown>>((resolve, reject) => {
      abandon = reject
      if (signal.aborted) end()
      else pieces.next().then(resolve, error => reject(uploadBroken(error)))
    })
  try {
    for (let piece = await next(); !piece.done; piece = await next()) {
      yield { lines: completed(open, bufferOf(piece.value)), open: open.length }
      if (open.length > longest) break
    }
  } finally {
    signal.removeEventListener('abort', end)
    // Not awaited: when the signal ended the upload, it waits for a piece that may never come.
    void pieces.return?.()
  }
  yield { lines: [open.take()], open: 0 }
}

function completed(open: GrowingBytes, piece: Buffer): Buffer[] {
  const lines: Buffer[] = []
  let from = 0
  for (let end = piece.indexOf(LF); end >= 0; end = piece.indexOf(LF, from)) {
    open.add(piece.subarray(from, end))
    lines.push(open.take())
    from = end + 1
  }
  if (from < piece.length) open.add(piece.subarray(from))
  return lines
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

function uploadBroken(cause: unknown): Problem {
  const detail = 'The connection broke before the upload was complete.'
  return new Problem(400, 'upload-broken', detail, {}, { cause })
}
