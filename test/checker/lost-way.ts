/** Whether a client may come from its cursor to an event of a lost history. */
import type { EntryOf } from './history.js'
import { matches, type Place, placeOf, type StreamLog, type Wanted } from './stream-log.js'
import type { Rule } from './verdict.js'

export interface Cursor extends Place {
  readonly id: string
  /** Of a history that the table no longer has. */
  readonly isLost: boolean
  /** A lost event that it may be instead (identity.ts). */
  readonly twin?: string | undefined
}

type Fault = readonly [Rule, string] | undefined

/** Undefined for a text that is no event id. */
export function cursorAt(id: string, log: StreamLog): Cursor | undefined {
  const place = placeOf(id)
  return place && { ...place, id, isLost: log.lost.get(id) !== undefined }
}

/**
 * Looks at no event twice while a client goes forward: the way back ends at its cursor, or at the first event that it has missed.
 *
 * @param id of a lost event
 * @param ahead the rule that finds this event itself, if the client should have got it before
 * @returns what is wrong, as a rule and a text; undefined: nothing
 */
export function faultOnLostWay(
  log: StreamLog,
  wanted: Wanted,
  cursor: Cursor,
  id: string,
  ahead?: Rule,
): Fault {
  const row = log.lost.get(id)
  if (ahead && row && id !== cursor.id && id !== cursor.twin && isVisible(row, wanted))
    return [ahead, `${id} was named after ${cursor.id}`]
  const fault = faultFrom(log, wanted, cursor, id)
  const twin = fault && cursorAt(cursor.twin ?? '', log)
  return twin && !faultFrom(log, wanted, twin, id) ? undefined : fault
}

function faultFrom(log: StreamLog, wanted: Wanted, cursor: Cursor, id: string): Fault {
  if (id === cursor.id) return undefined
  const way = log.lost.wayBack(id, cursor.id)
  let step = way.next()
  for (; !step.done; step = way.next())
    if (isVisible(step.value, wanted))
      return ['gap', `${id} came after ${cursor.id}, without ${step.value.id}`]
  const fork = placeOf(step.value ?? '')
  if (!fork || step.value === cursor.id) return undefined
  if (cursor.isLost || cursor.position > fork.position)
    return ['silent-loss', `${id}, which is lost, came after ${cursor.id} of another history`]
  const missed = log.nextVisible(cursor.position, wanted)
  return missed !== undefined && missed <= fork.position
    ? ['gap', `${id} came after ${cursor.id}, without ${log.idAt(missed)}`]
    : undefined
}

function isVisible(row: EntryOf<'row'>, { form, types, granted }: Wanted): boolean {
  return row.h[form] !== undefined && matches(row.type, types) && matches(row.type, granted)
}
