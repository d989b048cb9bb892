/** The turns of the event loop as facts: which one it is, and one that is long. */
import type { Test } from 'tap'

/** Counts until the test is over. */
export function countTurns(test: Test): { readonly turns: number } {
  const loop = { turns: 0 }
  const count = () => {
    loop.turns += 1
    immediate = setImmediate(count)
  }
  let immediate = setImmediate(count)
  test.teardown(() => clearImmediate(immediate))
  return loop
}

/** Blocks the event loop. */
export function spin(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end) {}
}
