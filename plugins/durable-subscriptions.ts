/** The subscriptions of Durable Streams in this process: the keys of their tokens and signatures, and what wakes them. */
import fp from 'fastify-plugin'
import { WakeTokens } from '../src/durable-streams/subscriptions/wake-tokens.js'
import { Waker } from '../src/durable-streams/subscriptions/waker.js'
import { WebhookKeys } from '../src/durable-streams/subscriptions/webhook-keys.js'
import type { Sender } from '../src/webhooks/sending/sender.js'
import type { Settings } from './settings.js'

declare module 'fastify' {
  interface FastifyInstance {
    durableSubscriptions: DurableSubscriptions
  }
}

export interface DurableSubscriptions {
  /** Undefined: this gateway has no secret, so it has no subscriptions. */
  readonly keys: { readonly tokens: WakeTokens; readonly signing: WebhookKeys } | undefined
  readonly waker: Waker
}

export interface DurableSubscriptionsOptions extends Pick<Settings, 'config' | 'sharedSecrets' | 'drainMs'> {
  readonly sender: Sender
}

export default fp<DurableSubscriptionsOptions>(
  async (app, { config, sharedSecrets: [first, ...others], sender, drainMs }) => {
    const { database, bus, serverState, memory, log: logger } = app
    const secrets = first === undefined ? undefined : ([first, ...others] as const)
    const keys = secrets && { tokens: new WakeTokens(secrets), signing: new WebhookKeys(secrets) }
    const waker = new Waker({
      database,
      logger,
      webhooks:
        keys && config.WEBHOOKS === 'on'
          ? { database, sender, keys: keys.signing, tokens: keys.tokens }
          : undefined,
      onAppended: app.wake,
      listening: () => bus.status === 'listening',
      paused: () =>
        serverState.mode === 'maintenance' || serverState.mode === 'draining' || memory.state === 'low',
    })
    app.decorate('durableSubscriptions', { keys, waker })
    app.growthListeners.add((streams, isOwn) => waker.grown(streams, isOwn))
    app.addHook('onReady', async () => waker.start())
    app.addHook('onClose', () => waker.close(drainMs))
  },
  {
    name: 'durable-subscriptions',
    dependencies: ['database', 'bus', 'tailer', 'server-state', 'memory'],
  },
)
