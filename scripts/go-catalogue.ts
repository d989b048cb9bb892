/**
 * `npm run catalogue`: writes clients/go/catalogue.go, a struct for the data of each built-in event, from the schemas of the gateway. A
 * test compares the file with what this script would write. The layout is that of gofmt.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { EventEntry } from '../src/log/catalogue-entry.js'
import { EVENTS } from '../src/log/event-catalogue.js'
import { asShown } from '../src/openapi/document.js'
import { packageRoot } from '../src/process/package-root.js'

export const GO_CATALOGUE = 'clients/go/catalogue.go'

const HEADER = `// Code generated from the schemas of the gateway by "npm run catalogue". DO NOT EDIT.

package sluice

import "encoding/json"
`
const INITIALISMS: Readonly<Record<string, string>> = { id: 'ID' }

interface Field {
  readonly comment: string | undefined
  readonly name: string
  readonly type: string
  readonly tag: string
}

export function goCatalogueText(): string {
  const events = Object.entries<EventEntry>(EVENTS)
  const cases = events.map(([type]) => `\tcase "${type}":\n\t\treturn &${goName(type)}{}\n`)
  return [
    HEADER,
    ...events.map(([type, entry]) => struct(type, entry)),
    `// newData is a pointer to the struct for a type of event; nil for types that the gateway does not define.
func newData(eventType string) any {
\tswitch eventType {
${cases.join('')}\t}
\treturn nil
}
`,
  ].join('\n')
}

function struct(type: string, { when, data }: EventEntry): string {
  const { properties, required } = Object(asShown(data))
  const fields = Object.entries(Object(properties)).map(([name, schema]) =>
    field(name, schema, Array.isArray(required) && required.includes(name)),
  )
  const name = goName(type)
  return `// ${name} is the data of ${type}: ${when}.\ntype ${name} struct {\n${aligned(fields)}}\n`
}

function field(name: string, schema: unknown, required: boolean): Field {
  const { description, enum: values } = Object(schema)
  const choices = Array.isArray(values)
    ? `One of ${values.map(value => `"${value}"`).join(', ')}.`
    : undefined
  return {
    comment: typeof description === 'string' ? description : choices,
    name: goName(name),
    type: goType(schema),
    tag: `\`json:"${name}${required ? '' : ',omitempty'}"\``,
  }
}

/** A null becomes nil. An object stays the text that it is. */
function goType(schema: unknown): string {
  const { type, anyOf, const: value } = Object(schema)
  const kinds: unknown[] = Array.isArray(type)
    ? type
    : Array.isArray(anyOf)
      ? anyOf.map(each => Object(each).type)
      : [type]
  const kind = kinds.find(each => each !== 'null') ?? typeof value
  const pointer = kinds.includes('null') ? '*' : ''
  if (kind === 'string') return `${pointer}string`
  if (kind === 'boolean') return `${pointer}bool`
  if (kind === 'integer') return `${pointer}int64`
  return 'json.RawMessage'
}

/** Fields in columns, which a comment ends. */
function aligned(fields: readonly Field[]): string {
  const runs: Field[][] = []
  for (const each of fields) {
    if (each.comment !== undefined || runs.length === 0) runs.push([])
    runs.at(-1)?.push(each)
  }
  const line = (run: readonly Field[], { comment, name, type, tag }: Field) => {
    const names = Math.max(...run.map(each => each.name.length))
    const types = Math.max(...run.map(each => each.type.length))
    const text = `\t${name.padEnd(names)} ${type.padEnd(types)} ${tag}\n`
    return comment === undefined ? text : `\t// ${comment}\n${text}`
  }
  return runs.flatMap(run => run.map(each => line(run, each))).join('')
}

function goName(name: string): string {
  return name
    .split(/[._]/)
    .map(word => INITIALISMS[word] ?? word.charAt(0).toUpperCase() + word.slice(1))
    .join('')
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await writeFile(join(packageRoot, GO_CATALOGUE), goCatalogueText())
}
