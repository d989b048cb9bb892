/** Waiting on facts: looks again and again until something is so, and fails when it does not become so in time. */
import { afterPatience } from './patience.js'

const PATIENCE_MS = 15_000
const LOOK_AGAIN_MS = 5

// Taken now, because a test may put its own in place of it.
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
