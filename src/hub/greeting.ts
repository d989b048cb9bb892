/** What a client gets before the events. */
import type { NoticeData } from '../log/notice-catalogue.js'
import type { Mode } from './mode.js'
import type { SubscriptionOptions } from './subscription-options.js'

export interface Greeting extends Pick<SubscriptionOptions, 'start' | 'broughtId' | 'permit' | 'window'> {
  readonly mode: Mode
  /** Sent before the events, such as a snapshot. */
  readonly opening: readonly Buffer[]
  /** Query parameters that were ignored: an EventSource cannot read the header that names them. */
  readonly ignored: readonly string[] | undefined
}

/** The data of the first `server.state`. Most clients get no more than `state`, and V8 copies the members of a spread one by one. */
export function firstState(
  state: NoticeData<'server.state'>,
  ignored: Greeting['ignored'],
  window: Greeting['window'],
): NoticeData<'server.state'> {
  if (!ignored && !window) return state
  return {
    ...state,
    ...(ignored && { ignored: [...ignored] }),
    ...(window && { consumer: window.consumer }),
  }
}
