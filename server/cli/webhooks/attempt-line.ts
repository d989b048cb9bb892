/** A delivery to a local server as one line: for a person, or as JSON. */
import { printable } from '../../../src/logging/redaction.js'
import type { Output } from '../terminal.js'
import type { Attempted } from './forwarding.js'

const MAX_ANSWER = 200
const COLOURS = { delivered: 'green', failed: 'red', skipped: 'yellow' } as const

/** `2026-11-21T06:28:06.140Z 10532.k7f3qa item.updated 500 in 12 ms, attempt 2; again in 4 s: Internal Server Error` */
export function attemptLine({ event, attempt, outcome, result, nextMs }: Attempted, out: Output): string {
  const isAnswer = result.kind === 'answered'
  const what = out.styled(isAnswer ? String(result.status) : result.error, 'bold', COLOURS[outcome])
  const count = attempt > 1 ? `, attempt ${attempt}` : ''
  const next = nextMs === undefined ? '' : `; again in ${nextMs / 1_000} s`
  const skipped = outcome === 'skipped' ? '; skipped' : ''
  const said = outcome === 'delivered' ? '' : isAnswer ? result.answer.trim() : result.detail
  const reason = said === '' ? '' : `: ${printable(said.slice(0, MAX_ANSWER))}`
  const { id, type } = event
  const at = new Date().toISOString()
  return `${out.styled(at, 'dim')} ${out.styled(id, 'dim')} ${out.styled(type, 'bold', 'cyan')} ${what} in ${result.milliseconds} ms${count}${skipped}${next}${reason}\n`
}

/** @param withBody whether the JSON includes the posted body. */
export function attemptJson(attempted: Attempted, withBody: boolean): string {
  const { event, attempt, outcome, result, body, nextMs } = attempted
  const isAnswer = result.kind === 'answered'
  const document = {
    at: new Date().toISOString(),
    event_id: event.id,
    event_uuid: event.event_id,
    type: event.type,
    attempt,
    outcome,
    status: isAnswer ? result.status : null,
    milliseconds: result.milliseconds,
    error: isAnswer ? null : result.error,
    answer: isAnswer ? result.answer : null,
    next_try_ms: nextMs ?? null,
    ...(withBody && { body }),
  }
  return `${printable(JSON.stringify(document))}\n`
}

/** The posted body, on a line below that of the attempt. */
export function bodyLine(body: string): string {
  return `  ${printable(body)}\n`
}
