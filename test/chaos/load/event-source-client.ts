/** A program that uses the package `eventsource`, as a browser would: it listens to each type, and starts over when its source is silent or closed. */
import { EventSource } from 'eventsource'
import { NOTICES } from '../../checker/notices.js'
import { CHUNK, WHERE } from '../../followers/forms.js'
import { END } from '../../followers/place.js'
import { ProgramClient } from './program-client.js'
import { JOB_TYPES, ROW_TYPES, TYPES } from './streams.js'

export class EventSourceClient extends ProgramClient {
  protected async run(signal: AbortSignal): Promise<void> {
    const { origin, stream, types, where, from, silenceMs } = this.options
    const query = new URLSearchParams({ stream, ...(types && { types: types.join(',') }) })
    if (where) query.set('where', WHERE)
    if (this.lastId === undefined) query.set('from', from)
    else query.set('last_event_id', this.lastId)
    const source = new EventSource(`${origin()}/api/events?${query}`, { fetch: this.connections.fetch })
    await new Promise<void>(resolve => {
      const silence = setTimeout(() => over(), silenceMs)
      const over = () => {
        clearTimeout(silence)
        signal.removeEventListener('abort', over)
        resolve()
      }
      signal.addEventListener('abort', over)
      source.onerror = () => source.readyState === source.CLOSED && over()
      source.onopen = () => silence.refresh()
      for (const type of [...TYPES, ...ROW_TYPES, ...JOB_TYPES, CHUNK, END])
        source.addEventListener(type, ({ lastEventId, data }) => {
          silence.refresh()
          this.takeEvent({ id: lastEventId, type, data })
        })
      for (const type of NOTICES)
        source.addEventListener(type, ({ lastEventId, data }) => {
          // Its own event of the name `error` has no data.
          if (data === undefined) return
          silence.refresh()
          this.takeNotice({ id: lastEventId, type, data })
        })
    })
    source.close()
  }
}
