/** Where the events of a consumer start. */
import type { StartAt } from '../hub/start.js'
import { checkOf } from '../log/event-id.js'
import type { Head } from '../log/log.js'

/** Stands for the event at the beginning of a stream that was deleted: a later stream of its name has another one. */
export const NO_EVENT = '00000000-0000-0000-0000-000000000000'

/** After the cursor of a consumer, if the log still has it: else the start is a reset. */
export function startAfter({ position, eventId }: Head): StartAt {
  return { at: 'after', id: { position, check: eventId === NO_EVENT ? undefined : checkOf(eventId) } }
}
