/** `sluice webhook`: the deliveries of a stream to a local server. */
import type { Noun } from '../declaration.js'

export const webhookNoun: Noun = {
  description: 'Posts the events of a stream to a local server, while you develop the handler of a webhook.',
  commands: [
    {
      name: 'listen',
      summary: 'post the events of a stream to a local server, signed as a webhook is (--forward URL)',
      load: async () => (await import('./webhook-listen.js')).listenCommand,
    },
  ],
}
