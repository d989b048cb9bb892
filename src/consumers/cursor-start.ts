/** Where the events of a consumer start. */
import type { StartAt } from '../hub/start.js'
import { checkOf } from '../log/event-id.js'
import type { Head } from '../log/log.js'
import type { Consumer } from './consumer.js'

/** Stands for the event at the beginning of a stream that was deleted: a later stream of its name has another one. */
export const NO_EVENT = '00000000-0000-0000-0000-000000000000'

/** The check of no event. */
const NO_CHECK = ''

/** After this place of a consumer, if the log still has it: else the start is a reset, and also if one is not acknowledged yet. */
export function startAfter({ position, eventId }: Head, reset: Consumer['reset']): StartAt {
  if (reset) return { at: 'after', id: { position, check: NO_CHECK } }
  return { at: 'after', id: { position, check: eventId === NO_EVENT ? undefined : checkOf(eventId) } }
}
