/**
 * Random JSON texts and random content filters that meet: both are made of the same few names and values, and of everything
 * that two readers of JSON may understand differently.
 */
import { MAX_DATA_BYTES } from '../../src/log/event.js'
import type { Random } from './random.js'

const NAMES = [
  'a',
  'b',
  'state',
  '',
  'é',
  'a b',
  '__proto__',
  '0',
  'data',
  '😀',
  '"',
  '\\',
  'A',
  '\u0001',
  'constructor',
] as const
/** As JSON writes them. */
const STRINGS = [
  '""',
  '"a"',
  '"A12"',
  '"\\u0041\\u00312"',
  '"open"',
  '"openly"',
  '"1"',
  '"null"',
  '"é"',
  '"\\u00e9"',
  '"\\u00E9"',
  '"e\u0301"',
  '"😀"',
  '"\uffff"',
  '"\ue000"',
  '"\\/"',
  '"/"',
  '"\\""',
  '"\\\\"',
  '"\\\\\\""',
  '"\\b\\f\\n\\r\\t"',
  '"\\u0008\\u000c\\n\\u000D\\u0009"',
  '"}{][,:"',
  '"\u007f"',
  '"\u2028"',
] as const
/** Postgres cannot read some of them, and is not asked about any. */
const UNREADABLE_STRINGS = [
  '"\\ud83d"',
  '"\\ude00\\ud83d"',
  '"\\u0000"',
  '"a\\u0000"',
  '"\\\\u0000"',
  '"\\ud83d\\ude00"',
  '"\\uD83D\\uDE00!"',
] as const
const NUMBERS = [
  '0',
  '-0',
  '0.0',
  '-0.000e5',
  '0e99999999999999999999',
  '1',
  '1.0',
  '1e0',
  '10e-1',
  '100E-2',
  '0.1e+1',
  '-1',
  '-1.00',
  '0.1',
  '0.10',
  '0.1000000000000000055511151231257827',
  '100',
  '1e2',
  '1E+2',
  '9007199254740991',
  '9007199254740992',
  '9007199254740993',
  '9007199254740993.0',
  '9007199254740992.5',
  '-9007199254740993',
  '12345678901234567890123456789012345678901234567890',
  '1234567890123456789012345678901234567890123456789e1',
  '1e400',
  '-1e400',
  '1e-400',
  '1e308',
  '1e309',
  '5e-324',
  '1e9999',
  '1e-9999',
] as const
/** Beyond the exponents that a filter may have, and what `numeric` holds. */
const EXTREME_NUMBERS = [
  '1e10000',
  '1e131071',
  '1e131072',
  '1e-16383',
  '1e-16384',
  '-1e999999',
  '1e999999999999999999999999',
  '-1e-999999999999999999999999',
  `1${'0'.repeat(150)}`,
  `0.${'0'.repeat(150)}1`,
  `${'9'.repeat(5_000)}`,
  `${'9'.repeat(80_000)}`,
  `-0.${'3'.repeat(20_000)}`,
] as const
const OPERATORS = ['eq', 'eq', 'ne', 'lt', 'le', 'gt', 'ge', 'in', 'in', 'starts_with', 'exists'] as const

/** The text of a JSON object. */
export function randomData(random: Random): string {
  const data = objectText(random, random.integer(40) === 0 ? 50 : 3)
  return data.length * 3 <= MAX_DATA_BYTES ? data : randomData(random)
}

/** The text of a filter. */
export function randomWhere(random: Random, levels = 3): string {
  const kind = random.integer(levels > 0 ? 8 : 3)
  if (kind < 3) return comparison(random)
  if (kind === 3) return `not ${randomWhere(random, levels - 1)}`
  if (kind === 4) return `(${randomWhere(random, levels - 1)})`
  const word = random.pick([' and ', ' or '])
  return `(${randomWhere(random, levels - 1)}${word}${randomWhere(random, levels - 1)})`
}

function comparison(random: Random): string {
  const path = random.integer(12) === 0 ? 'type' : pathText(random)
  const operator = random.pick(OPERATORS)
  if (operator === 'exists') return `${path} exists`
  if (operator === 'starts_with') return `${path} starts_with ${literalString(random)}`
  if (operator === 'eq' || operator === 'ne') return `${path} ${operator} ${literal(random)}`
  if (operator !== 'in') return `${path} ${operator} ${random.pick([literalString, literalNumber])(random)}`
  const values = Array.from({ length: 1 + random.integer(3) }, () => literal(random))
  return `${path} in (${values.join(', ')})`
}

function pathText(random: Random): string {
  let path = 'data'
  const steps = 1 + random.integer(3)
  for (let step = 0; step < steps; step += 1) {
    const name = nameOf(random)
    if (step > 0 && random.integer(4) === 0) path += `[${random.integer(3)}]`
    else if (/^[A-Za-z_]+$/.test(name)) path += `.${name}`
    else path += `[${JSON.stringify(name)}]`
  }
  return path
}

function literal(random: Random): string {
  return random.pick([literalString, literalNumber, () => random.pick(['null', 'true', 'false'])])(random)
}

function literalString(random: Random): string {
  const text = random.pick(STRINGS)
  return text.includes('\u007f') ? '"open"' : text
}

function literalNumber(random: Random): string {
  const number = random.pick(NUMBERS)
  return number.startsWith('0e9') ? '0' : number
}

function valueText(random: Random, depth: number): string {
  const kind = random.integer(depth > 0 ? 12 : 8)
  if (kind < 3) return random.pick(random.integer(24) === 0 ? UNREADABLE_STRINGS : STRINGS)
  if (kind < 6) return random.integer(12) === 0 ? random.pick(EXTREME_NUMBERS) : random.pick(NUMBERS)
  if (kind < 8) return random.pick(['null', 'true', 'false'])
  return kind < 11 ? objectText(random, depth - 1) : arrayText(random, depth - 1)
}

function objectText(random: Random, depth: number): string {
  const members = Array.from({ length: random.integer(depth > 3 ? 2 : 6) }, () => {
    const name = nameText(random, nameOf(random))
    return `${space(random)}${name}${space(random)}:${space(random)}${valueText(random, depth)}${space(random)}`
  })
  return `{${members.join(',') || space(random)}}`
}

function arrayText(random: Random, depth: number): string {
  const elements = Array.from({ length: random.integer(4) }, () => space(random) + valueText(random, depth))
  return `[${elements.join(',')}${space(random)}]`
}

/** Half of the names are the same one or two, so that names repeat and paths are found. */
function nameOf(random: Random): string {
  return random.integer(2) === 0 ? random.pick(['a', 'b']) : random.pick(NAMES)
}

/** As JSON writes it, with some characters escaped. */
function nameText(random: Random, name: string): string {
  if (random.integer(4) > 0) return JSON.stringify(name)
  const units = Array.from(name.split(''), unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return `"${units.join('')}"`
}

function space(random: Random): string {
  return random.integer(3) === 0 ? random.pick([' ', '\n', '\t', '\r', '  ']) : ''
}
