/** An event as one line: for a person, or as the JSON document that the gateway has sent. */
import type { FeedEvent, Notice } from '../../../clients/typescript/src/events.js'
import { printable } from '../../../src/logging/redaction.js'
import type { Output } from '../terminal.js'

/** In a JSON text these are only between its tokens. */
const BREAKS = /[\t\r\n]+/g
/** The last member of the document, and no earlier member can hold this text. */
const DATA = '"data":'

/** `2026-11-21T06:28:06.140Z 10532.k7f3qa item.updated {"part_number":"A01-0002"}`, with the digits that the publisher sent. */
export function eventLine(event: FeedEvent, out: Output): string {
  const { id, type, at = '-' } = event
  const data = printable(dataText(event).replace(BREAKS, ' '))
  return `${out.styled(at, 'dim')} ${out.styled(id, 'dim')} ${out.styled(type, 'bold', 'cyan')} ${data}\n`
}

/** The whole document, in which control characters are escaped as JSON allows. */
export function jsonLine({ text }: FeedEvent): string {
  return `${printable(text.replace(BREAKS, ' '))}\n`
}

export function noticeLine({ id, type, data }: Notice): string {
  return `${printable(JSON.stringify({ id, type, data }))}\n`
}

/** The data of an event that was read with `envelope`, with every character of its publisher. */
export function dataText({ text, data }: FeedEvent): string {
  const start = text.indexOf(DATA)
  const end = text.lastIndexOf('}')
  return start < 0 ? JSON.stringify(data) : text.slice(start + DATA.length, end)
}
