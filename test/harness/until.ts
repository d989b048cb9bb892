/** Waits for a fact: checks again and again until it holds, and fails if it does not hold in time. */
import { afterPatience } from './patience.js'

const PATIENCE_MS = 15_000
const LOOK_AGAIN_MS = 5

// Kept from now on, because a test may replace the global one.
const { setTimeout } = globalThis

export async function until(
  what: string,
  look: () => boolean | Promise<boolean>,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  let late = false
  let giveUp = () => {}
  const over = new Promise<never>((_, reject) => {
    giveUp = () => {
      late = true
      reject(new Error(`Not within ${patienceMs} ms: ${what}.`))
    }
  })
  const callOff = afterPatience(patienceMs, giveUp)
  const looking = async () => {
    while (!(await look()) && !late) await new Promise(resolve => setTimeout(resolve, LOOK_AGAIN_MS))
  }
  await Promise.race([looking(), over]).finally(callOff)
}

/** True if the attempt resolves, false if it rejects, whatever the reason. */
export async function succeeds(attempt: Promise<unknown>): Promise<boolean> {
  return await attempt.then(
    () => true,
    () => false,
  )
}
