/**
 * The part of the runner's own environment that commands get. That environment contains the runner's token and, if
 * the same service starts a gateway or an application, their secrets too; so a variable is passed only if it is on
 * the list.
 */
import { UsageError } from '../process/usage.js'

type Environment = Readonly<Record<string, string | undefined>>

/** Variables that programs expect. None of these holds a secret. */
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
/** Authenticates the runner: never passed, whatever the list says. */
export const TOKEN_VARIABLE = 'SLUICE_TOKEN'
const TERM = /^(?:[A-Za-z_][A-Za-z0-9_]*\*?|\*)$/

/**
 * @param more further variables to pass: names, or prefixes that end in `*`, separated by commas.
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

/** Without the variables that describe this machine, for a command that runs on another one. */
export function withoutMachine(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isNamed(name, PASSED)))
}

function isNamed(name: string, terms: readonly string[]): boolean {
  return terms.some(term => (term.endsWith('*') ? name.startsWith(term.slice(0, -1)) : name === term))
}
