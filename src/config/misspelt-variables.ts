/**
 * Environment variables whose name is almost one of ours: `RATE_LIMIT_MXA` would otherwise have no effect, and nobody
 * would notice. Only probable typing errors count, because an environment is full of other programs' variables.
 */

/** Shorter names are too similar to others: HOST, PORT, BUS. */
const SHORTEST = 6
/** Maximum number of typing errors: one in a short name, two in a long one. */
const LONG = 9
/** Beyond this, the exact number does not matter. */
const MOST_SLIPS = 2
/** Variables of other programs. */
const FOREIGN = /^(NODE_|NPM_|npm_|PG(?!_BIN)|POSTGRES_|XDG_|LC_|DOCKER_|KUBERNETES_|GITHUB_|CI_)/

/** A line for each unknown variable of `env` that is almost one of `known`. */
export function misspeltVariables(
  env: Readonly<Record<string, string | undefined>>,
  known: readonly string[],
): string[] {
  const unknown = Object.keys(env).filter(name => !known.includes(name) && !FOREIGN.test(name))
  return unknown.flatMap(name => {
    const meant = nearest(name, known)
    return meant === undefined
      ? []
      : [
          `${name} is no variable of Sluice and has no effect. Did you mean ${meant}? If it is another program's, leave it.`,
        ]
  })
}

function nearest(name: string, known: readonly string[]): string | undefined {
  const candidates = known
    .filter(candidate => candidate.length >= SHORTEST)
    .map(candidate => ({ candidate, slips: slipsBetween(name.toUpperCase(), candidate) }))
    .filter(({ candidate, slips }) => slips <= (candidate.length >= LONG ? MOST_SLIPS : 1))
  return candidates.sort((a, b) => a.slips - b.slips)[0]?.candidate
}

/** The number of letters that were omitted, added, replaced or swapped with a neighbour (optimal string alignment). */
function slipsBetween(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MOST_SLIPS) return Number.POSITIVE_INFINITY
  let [before, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, index) => index)]
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1]
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const steps = [(last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1)]
      if (swapped) steps.push((before[j - 2] ?? 0) + 1)
      row.push(Math.min(...steps))
    }
    // The numbers of a row grow from the two rows before: they can only become larger.
    if (Math.min(...row, ...last) > MOST_SLIPS) return Number.POSITIVE_INFINITY
    ;[before, last] = [last, row]
  }
  return last[b.length] ?? 0
}
