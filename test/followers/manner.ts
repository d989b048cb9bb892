/** How a client reads: as fast as it can, or in one of the ways in which real clients are slow. All bytes are read in the end. */
import type { IncomingMessage } from 'node:http'
import { StringDecoder } from 'node:string_decoder'
import type { Random } from '../end-to-end/random.js'

/**
 * `steady`; `slow`: a little pause after each chunk; `stop-and-go`: a long pause after some hundred KiB, which fills what is in between
 * while much is sent; `trickle`: one byte a second.
 */
export type Manner = 'steady' | 'slow' | 'stop-and-go' | 'trickle'

const PAUSES: Readonly<Record<'slow' | 'stop-and-go', { least: number; most: number }>> = {
  slow: { least: 1, most: 60 },
  'stop-and-go': { least: 1_000, most: 15_000 },
}
const RUN_BYTES = { least: 16 * 1_024, most: 256 * 1_024 } as const
const TRICKLE_MS = 1_000

export interface MannerOptions {
  readonly manner: Manner
  readonly random: Random
  readonly take: (text: string) => void
  /** Called when bytes have arrived, and when it begins or ends a pause. */
  readonly onPulse: (isPaused: boolean) => void
}

export interface ResponseReader {
  /** Reads as fast as it can from now on. */
  hurry(): void
  /** Reads nothing more. */
  stop(): void
}

export function readResponse(response: IncomingMessage, options: MannerOptions): ResponseReader {
  const { manner, random, take, onPulse } = options
  const decoder = new StringDecoder('utf8')
  let isHurried = manner === 'steady'
  let left = random.between(RUN_BYTES.least, RUN_BYTES.most)
  let timer: NodeJS.Timeout | undefined
  const flow = () => {
    clearTimeout(timer)
    response.on('data', onData)
    response.resume()
    onPulse(false)
  }
  const onData = (chunk: Buffer) => {
    onPulse(false)
    take(decoder.write(chunk))
    if (isHurried || manner === 'steady' || manner === 'trickle') return
    left -= chunk.length
    if (manner === 'stop-and-go' && left > 0) return
    left = random.between(RUN_BYTES.least, RUN_BYTES.most)
    response.pause()
    onPulse(true)
    timer = setTimeout(
      () => {
        response.resume()
        onPulse(false)
      },
      random.between(PAUSES[manner].least, PAUSES[manner].most),
    )
  }
  const trickle = () => {
    const chunk: unknown = response.read(1)
    if (Buffer.isBuffer(chunk)) take(decoder.write(chunk))
    timer = setTimeout(trickle, TRICKLE_MS)
  }
  if (manner === 'trickle' && !isHurried) {
    onPulse(true)
    trickle()
  } else flow()
  return {
    hurry() {
      if (isHurried) return
      isHurried = true
      response.off('data', onData)
      flow()
    },
    stop() {
      clearTimeout(timer)
      response.off('data', onData)
      response.pause()
    },
  }
}
