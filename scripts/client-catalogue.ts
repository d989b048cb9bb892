/**
 * `npm run catalogue`: writes clients/typescript/src/catalogue.ts, the types of the built-in events and notices and of the resources,
 * from the schemas of the gateway. A test compares the file with what this script would write.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { TSchema } from 'typebox'
import { Item, ItemPatch, NewItem, NewRevision, Revision } from '../src/items/item.js'
import { Job, NewJob } from '../src/jobs/job.js'
import type { EventEntry, NoticeEntry } from '../src/log/catalogue-entry.js'
import { EVENTS } from '../src/log/event-catalogue.js'
import { NOTICES } from '../src/log/notice-catalogue.js'
import { asShown } from '../src/openapi/document.js'
import { packageRoot } from '../src/process/package-root.js'

export const CATALOGUE = 'clients/typescript/src/catalogue.ts'

const HEADER = `/**
 * The types of the built-in events and notices, and of the resources. Generated from the schemas of the gateway by
 * \`npm run catalogue\`; a later gateway may send further members.
 */
`
/** As in biome.json. */
const LINE_WIDTH = 110
const RESOURCES = { Item, NewItem, ItemPatch, Revision, NewRevision, Job, NewJob }

export function catalogueText(): string {
  const notices = Object.entries<NoticeEntry>(NOTICES).filter(([, { reserved }]) => reserved)
  return [
    HEADER,
    '/** The data of each built-in event, by its type. */',
    `export interface EventTypes ${entries(Object.entries<EventEntry>(EVENTS))}`,
    '',
    '/** The data of each notice, by its name. */',
    `export interface NoticeTypes ${entries(notices)}`,
    '',
    ...Object.entries(RESOURCES).map(
      ([name, schema]) => `export interface ${name} ${typeOf(asShown(schema), '')}\n`,
    ),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n')
}

function entries(all: readonly (readonly [string, { when: string; data: TSchema }])[]): string {
  const members = all.map(
    ([name, { when, data }]) =>
      `  /** ${capital(when)}. */\n  readonly ${key(name)}: ${typeOf(asShown(data), '  ')}\n`,
  )
  return `{\n${members.join('')}}`
}

/** The TypeScript type of the values that a schema admits, without its limits. */
function typeOf(schema: unknown, indent: string): string {
  const member = (name: string): unknown =>
    typeof schema === 'object' && schema !== null ? Reflect.get(schema, name) : undefined
  const [type, choices, values, items] = [member('type'), member('anyOf'), member('enum'), member('items')]
  if (member('const') !== undefined) return literal(member('const'))
  if (Array.isArray(values)) return values.map(literal).join(' | ')
  if (Array.isArray(choices)) return choices.map(choice => typeOf(choice, indent)).join(' | ')
  if (Array.isArray(type)) return type.map(each => typeOf({ type: each }, indent)).join(' | ')
  if (type === 'array') return `readonly ${typeOf(items, indent)}[]`
  if (type === 'integer' || type === 'number') return 'number'
  if (type === 'string' || type === 'boolean' || type === 'null') return type
  const properties = Object.entries(Object(member('properties')))
  if (properties.length === 0) return 'Readonly<Record<string, unknown>>'
  const required: unknown = member('required')
  const inner = `${indent}  `
  const lines = properties.map(([name, property]) => {
    const mark = Array.isArray(required) && required.includes(name) ? '' : '?'
    return `${described(property, inner)}${inner}${declared(`readonly ${key(name)}${mark}:`, typeOf(property, inner), inner)}\n`
  })
  return `{\n${lines.join('')}${indent}}`
}

/** @returns the member with its type, which stands a choice a line when it is too long for one, as the formatter has it. */
function declared(name: string, type: string, indent: string): string {
  const line = `${name} ${type}`
  if (type.includes('\n') || indent.length + line.length <= LINE_WIDTH) return line
  return [name, ...type.split(' | ').map(choice => `${indent}  | ${choice}`)].join('\n')
}

function described(schema: unknown, indent: string): string {
  const description: unknown = Object(schema).description
  return typeof description === 'string' ? `${indent}/** ${description} */\n` : ''
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value)
}

function key(name: string): string {
  return /^\w+$/.test(name) ? name : `'${name}'`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await writeFile(join(packageRoot, CATALOGUE), catalogueText())
}
