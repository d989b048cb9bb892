/** The time after which a refused client should reconnect. */
const RETRY_MS = { least: 1_000, spread: 2_000 } as const

/** Milliseconds, at random, so that the clients of a stopping process do not all reconnect at the same moment. */
export function retryMs(): number {
  return RETRY_MS.least + Math.floor(Math.random() * RETRY_MS.spread)
}
