/**
 * The options of a command, declared once: their help, where their value comes from (the command line, then an environment variable)
 * and how their text becomes a value. A value that is not valid is a usage error that names its source.
 */
import { UsageError } from '../../src/process/usage.js'

export type Environment = Readonly<Record<string, string | undefined>>

export interface Parse<T> {
  /** @param name for the error: `--lease`, or the environment variable. @throws {UsageError} */
  (text: string, name: string): T
  /** All valid texts, for the completion of shells; undefined if there are too many to list. */
  readonly choices?: readonly string[]
}

export interface Option<T> {
  /** As in the usage: `--lease SECONDS`, `-f, --follow`. */
  readonly form: string
  readonly help: string
  readonly isRepeatable: boolean
  /** The variable that counts if the option is not given. */
  readonly env?: string | undefined
  /** All valid texts, if they can be listed. */
  readonly choices?: readonly string[] | undefined
  /** @param given its texts on the command line; none for a switch that is not given, one empty text for one that is. */
  read(given: readonly string[], env: Environment): T
}

export type Options = Readonly<Record<string, Option<unknown>>>

export type Values<O extends Options> = {
  readonly [Name in keyof O]: O[Name] extends Option<infer T> ? T : never
}

export function flag(form: string, help: string): Option<boolean> {
  return { form, help, isRepeatable: false, read: given => given.length > 0 }
}

interface ValueRules<T> {
  readonly parse: Parse<T>
  readonly env?: string
}

/** An option with one value; undefined without. */
export function value<T>(form: string, help: string, rules: ValueRules<T>): Option<T | undefined> {
  const { parse, env: variable } = rules
  return {
    form,
    help,
    isRepeatable: false,
    env: variable,
    choices: parse.choices,
    read(given, env) {
      const [text] = given.slice(-1)
      if (text !== undefined) return parse(text, nameOf(form))
      const inherited = variable === undefined ? '' : env[variable]
      return inherited === undefined || inherited === '' ? undefined : parse(inherited, variable ?? '')
    },
  }
}

/** As `value`, with a default, which the help names. */
export function valueOr<T>(form: string, help: string, otherwise: T, rules: ValueRules<T>): Option<T> {
  const option = value(form, help, rules)
  return { ...option, read: (given, env) => option.read(given, env) ?? otherwise }
}

/** An option without which the command does nothing. */
export function required<T>(form: string, help: string, rules: ValueRules<T>): Option<T> {
  const option = value(form, help, rules)
  const missing = rules.env === undefined ? '' : `, or the environment variable ${rules.env}`
  return {
    ...option,
    read(given, env) {
      const read = option.read(given, env)
      if (read === undefined) throw new UsageError(`${nameOf(form)} is missing${missing}.`)
      return read
    },
  }
}

/** An option that may be repeated. */
export function values<T>(form: string, help: string, parse: Parse<T>): Option<readonly T[]> {
  const read = (given: readonly string[]) => given.map(text => parse(text, nameOf(form)))
  return { form, help, isRepeatable: true, choices: parse.choices, read }
}

/** `--lease` of `-l, --lease SECONDS`. */
export function nameOf(form: string): string {
  return /--[a-z-]+/.exec(form)?.[0] ?? form
}

/** Any text that is not empty. */
export const text: Parse<string> = (given, name) => {
  if (given === '') throw new UsageError(`${name} is empty.`)
  return given
}

export function integer(least: number, most: number): Parse<number> {
  return (given, name) => {
    const number = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN
    if (number >= least && number <= most) return number
    throw new UsageError(`${name} must be a whole number from ${least} to ${most}.`)
  }
}

export function oneOf<T extends string>(names: readonly T[]): Parse<T> {
  const parse = (given: string, name: string): T => {
    const known = names.find(one => one === given)
    if (known !== undefined) return known
    throw new UsageError(`${name} must be one of ${names.join(', ')}.`)
  }
  return Object.assign(parse, { choices: names })
}
