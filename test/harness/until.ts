/** Waiting on facts: looks again and again until something is so, and fails when it does not become so in time. */
const PATIENCE_MS = 15_000
const LOOK_AGAIN_MS = 5

// Taken now, because a test may put its own in place of it.
const { setTimeout } = globalThis

export async function until(
  what: string,
  look: () => boolean | Promise<boolean>,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!(await look())) {
    if (performance.now() > deadline) throw new Error(`Not within ${patienceMs} ms: ${what}.`)
    await new Promise(resolve => setTimeout(resolve, LOOK_AGAIN_MS))
  }
}
