/** Reads the cases from `cases/*.yaml`, and makes one case for each combination of the values in its `vary`. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { type Case, parseCase } from './case.js'

/** A value that takes part in an id by its name. */
type Variant = readonly [name: string, value: unknown]
type Members = Readonly<Record<string, unknown>>

/**
 * All cases, in the order of the files. The id of a case is `<file>.<name>`, and `<file>.<name>/<variant>…` with `vary`.
 * @throws {Error} that names the file or case, and the fault.
 */
export function readCases(folder: string): Case[] {
  const files = readdirSync(folder)
    .filter(name => name.endsWith('.yaml'))
    .sort()
  return files.flatMap(file => casesIn(file.replace(/\.yaml$/, ''), readFileSync(join(folder, file), 'utf8')))
}

function casesIn(topic: string, text: string): Case[] {
  const { cases, blocks: _, ...defaults } = members(parse(text, { merge: true }))
  return Object.entries(members(cases)).flatMap(([name, value]) => {
    const { vary, ...rest } = { ...defaults, ...members(value) }
    const { options } = rest
    if (options !== undefined) rest.options = { ...members(defaults.options ?? {}), ...members(options) }
    return combinations(members(vary ?? {}), rest).map(({ suffix, variables }) =>
      parseCase(`${topic}.${name}${suffix}`, substitute(rest, variables)),
    )
  })
}

function combinations(vary: Members, rest: Members): { suffix: string; variables: Map<string, unknown> }[] {
  let made = [{ suffix: '', variables: new Map<string, unknown>() }]
  for (const [variable, values] of Object.entries(vary)) {
    const variants = variantsOf(values, rest)
    made = made.flatMap(({ suffix, variables }) =>
      variants.map(([name, value]) => ({
        suffix: `${suffix}/${name}`,
        variables: new Map(variables).set(variable, value),
      })),
    )
  }
  return made
}

/** A list, whose values are their own names; a mapping of names to values; or `every byte of the log`. */
function variantsOf(values: unknown, { log }: Members): Variant[] {
  if (values === 'every byte of the log') {
    const bytes = Buffer.byteLength(Array.isArray(log) ? log.join('') : '')
    return Array.from({ length: bytes + 1 }, (_, n): Variant => [String(n), n])
  }
  if (Array.isArray(values)) return values.map((value): Variant => [String(value), value])
  return Object.entries(members(values))
}

/** Replaces `${name}` in every text and every name of a member; a text that consists of it becomes the value itself. */
function substitute(value: unknown, variables: ReadonlyMap<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map(each => substitute(each, variables))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [
        String(substitute(name, variables)),
        substitute(each, variables),
      ]),
    )
  }
  if (typeof value !== 'string') return value
  const [, whole = ''] = /^\$\{(\w+)\}$/.exec(value) ?? []
  if (variables.has(whole)) return variables.get(whole)
  return value.replace(/\$\{(\w+)\}/g, (text, name: string) => String(variables.get(name) ?? text))
}

function members(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('Expected a mapping.')
  return { ...value }
}
