/** After how long a client that was sent away shall come back. */
const RETRY_MS = { least: 1_000, spread: 2_000 } as const

/** Milliseconds; spread, so that the clients of a process that stops do not all come back in one moment. */
export function retryMs(): number {
  return RETRY_MS.least + Math.floor(Math.random() * RETRY_MS.spread)
}
