/** Splits an upload into lines of bytes as its pieces arrive. No byte is scanned twice, however small the pieces are. */

import { GrowingBytes } from '../bytes/growing-bytes.js'
import { Problem } from '../problems/problem.js'

const LF = 0x0a

export interface Arrived {
  /** The lines that ended with this piece. */
  readonly lines: readonly Buffer[]
  /** Bytes of the line that has not ended yet. */
  readonly open: number
}

/**
 * Keeps only the start of a line that is longer than `longest`.
 * @param signal ends the iteration, even while nothing arrives; its reason is thrown.
 * @throws {Problem} 400 `upload-broken` if the sender disconnected.
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
  // One listener for all pieces: a race per piece would add a handler for each.
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
    // Not awaited: if the signal ended the upload, it waits for a piece that may never arrive.
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
