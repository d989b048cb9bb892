/** The sender of webhook requests in this process, the keys of their secrets, and the deliverer if this process delivers. */
import fp from 'fastify-plugin'
import { Breakers } from '../src/network/circuit-breaker.js'
import { createHostAddresses } from '../src/network/host-addresses.js'
import type { NetworkPolicy } from '../src/network/network-policy.js'
import type { Sealer } from '../src/webhooks/sealer.js'
import { createSender, type Sender } from '../src/webhooks/sending/sender.js'
import durableSubscriptions from './durable-subscriptions.js'
import type { Settings } from './settings.js'
import deliverer from './webhook-deliverer.js'

declare module 'fastify' {
  interface FastifyInstance {
    webhooks: Webhooks
  }
}

export interface Webhooks {
  /** Undefined: this gateway has no key, so it has no webhooks. */
  readonly sealer: Sealer | undefined
  readonly policy: NetworkPolicy
  readonly sender: Sender
}

export type WebhooksOptions = Pick<
  Settings,
  'config' | 'sealer' | 'sharedSecrets' | 'policy' | 'drainMs' | 'internals'
>

export default fp<WebhooksOptions>(
  async (app, { config, sealer, sharedSecrets, policy, drainMs, internals }) => {
    const { webhookPausesMs, webhookLeaseMs, webhookTimeoutMs, webhookBreakerMs } = internals ?? {}
    const breakers = new Breakers({ ...(webhookBreakerMs !== undefined && { minPauseMs: webhookBreakerMs }) })
    const addresses = createHostAddresses({ system: policy.allowed.length > 0 })
    const sender = createSender({
      policy,
      addresses,
      breakers,
      ...(webhookTimeoutMs !== undefined && { timeoutMs: webhookTimeoutMs }),
    })
    app.decorate('webhooks', { sealer, policy, sender })
    // Before the deliverer's own, and hooks run in reverse: it stops sending first.
    app.addHook('onClose', () => sender.close())
    await app.register(deliverer, {
      sealer: config.WEBHOOKS === 'on' ? sealer : undefined,
      sender,
      breakers,
      concurrency: config.WEBHOOK_CONCURRENCY,
      drainMs,
      pausesMs: webhookPausesMs,
      leaseMs: webhookLeaseMs,
    })
    await app.register(durableSubscriptions, { config, sharedSecrets, sender, drainMs })
  },
  { name: 'webhooks' },
)
