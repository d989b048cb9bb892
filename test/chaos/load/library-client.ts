/** A program that uses our client for TypeScript. */
import { createClient } from '../../../clients/typescript/src/client.js'
import { WHERE } from '../../followers/forms.js'
import { ProgramClient } from './program-client.js'

export class LibraryClient extends ProgramClient {
  protected async run(signal: AbortSignal): Promise<void> {
    const { origin, stream, types, where, from, silenceMs } = this.options
    const client = createClient({ url: origin(), fetch: this.connections.fetch })
    const feed = client.feed({
      stream,
      from,
      silence: silenceMs,
      signal,
      ...(types && { types }),
      ...(where && { where: WHERE }),
      cursor: { load: async () => this.lastId, save: async id => this.takeCursor(id) },
      // It goes on after the notice.
      reload: () => undefined,
      onNotice: ({ id, type, text }) => this.takeNotice({ id, type, data: text }),
    })
    try {
      for await (const { id, type, text } of feed) this.takeEvent({ id, type, data: text })
    } catch {
      // Its credentials were refused: a program logs in again.
    } finally {
      feed.close()
    }
  }
}
