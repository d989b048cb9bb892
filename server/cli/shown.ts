/** Answers of the gateway as text, for a person or as JSON. */
import type { Listing } from '../../clients/typescript/src/client.js'
import { printable } from '../../src/logging/redaction.js'
import { table } from './table.js'
import type { Output } from './terminal.js'

/** An object: a line of JSON, or one line for each member that has a value. */
export function shown(object: object, json: boolean): string {
  // Inside of JSON's strings the escapes of `printable` are those of JSON.
  if (json) return `${printable(JSON.stringify(object))}\n`
  const entries = Object.entries(object).filter(([, value]) => value !== null && value !== undefined)
  const width = Math.max(...entries.map(([name]) => name.length)) + 2
  const line = (name: string, value: unknown) =>
    `${name.padEnd(width)}${printable(typeof value === 'string' ? value : JSON.stringify(value))}\n`
  return entries.map(([name, value]) => line(name, value)).join('')
}

export interface ListForm<Entry> {
  readonly limit: number
  /** Whether to write one JSON document per line, each as soon as it has arrived. */
  readonly json: boolean
  readonly head: readonly string[]
  readonly row: (entry: Entry) => readonly string[]
}

/** At most `limit` entries of a list. */
export async function writeList<Entry extends object>(
  listing: Listing<Entry>,
  out: Output,
  { limit, json, head, row }: ListForm<Entry>,
): Promise<void> {
  const rows: (readonly string[])[] = []
  let count = 0
  for await (const entry of listing) {
    if (json) await out.write(shown(entry, true))
    else rows.push(row(entry))
    count += 1
    if (count === limit) break
  }
  if (!json) await out.write(table(head, rows))
}
