/**
 * What commands get of the runner's own environment. That holds the runner's token, and wherever a gateway or an
 * application is started by the same service its secrets too; so a variable is passed only if it is on the list.
 */
import { UsageError } from '../process/usage.js'

type Environment = Readonly<Record<string, string | undefined>>

/** What programs expect to find. None of these names a secret. */
const PASSED = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'TERM',
  'TZ',
  'TMPDIR',
  'LANG',
  'LANGUAGE',
  'LC_*',
]
/** Proves who the runner is: never passed, whatever the list says. */
export const TOKEN_VARIABLE = 'SLUICE_TOKEN'
const TERM = /^(?:[A-Za-z_][A-Za-z0-9_]*\*?|\*)$/

/**
 * @param more names, or beginnings of names that end in `*`, separated by commas; passed as well.
 * @throws {UsageError} for anything else.
 */
export function commandEnvironment(env: Environment, more: string): Record<string, string> {
  const named = more.split(',').flatMap(term => term.trim() || [])
  for (const term of named) {
    if (!TERM.test(term)) {
      throw new UsageError(
        '--pass-env takes names, or beginnings that end in *, separated by commas: CI,AWS_*.',
      )
    }
    if (term === TOKEN_VARIABLE)
      throw new UsageError(`--pass-env: ${TOKEN_VARIABLE} is never passed to commands.`)
  }
  const terms = [...PASSED, ...named]
  const passed = Object.entries(env).filter(([name]) => name !== TOKEN_VARIABLE && isNamed(name, terms))
  return Object.fromEntries(passed.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}

function isNamed(name: string, terms: readonly string[]): boolean {
  return terms.some(term => (term.endsWith('*') ? name.startsWith(term.slice(0, -1)) : name === term))
}
