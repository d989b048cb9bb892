import { byNight } from './nightly.js'

/**
 * The seed of a test's random input. A test has it in its name, and SLUICE_SEED repeats it.
 *
 * @param byDay a test with a seed of the day judges a commit alike in each run; each night has another one.
 * @throws {Error} for a SLUICE_SEED that is no whole number from 0.
 */
export function seedOfRun(byDay?: number): number {
  const given = process.env.SLUICE_SEED
  if (given === undefined || given === '') return byNight(byDay ?? chance(), chance())
  const seed = Number(given)
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new Error(`SLUICE_SEED must be a whole number from 0, such as 4711, and not ${given}.`)
  return seed
}

function chance(): number {
  return Date.now() % 1_000_000
}
