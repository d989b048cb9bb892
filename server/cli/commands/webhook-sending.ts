/** The commands of `sluice webhook` that have something delivered: a test event, past events, one event again. */
import { UsageError } from '../../../src/process/usage.js'
import type { Attempt } from '../../../src/webhooks/attempt-document.js'
import type { Replay } from '../../../src/webhooks/replay-document.js'
import { command } from '../declaration.js'
import { ExitCode } from '../exit-code.js'
import { withGateway } from '../gateway.js'
import { gatewayOptions } from '../gateway-target.js'
import { flag, text, value } from '../option.js'
import { shown } from '../shown.js'
import { declared, EXIT_CODES, json, pathOf, WEBHOOK } from '../webhooks/webhook-command.js'

export const testCommand = command({
  description: `Posts an event of type webhook.test to a webhook now, also if it is paused, and shows the attempt with the answer. The
event is in no stream, and the attempt is made once.`,
  args: [WEBHOOK],
  options: { json, ...gatewayOptions },
  examples: ['sluice webhook test 0190a6c4-8f0e-7d52-b5c1-3c1f0c0a7e11'],
  notes: declared.notes,
  exitCodes: `${EXIT_CODES}; 1 also if the receiver did not accept the event`,
  run: call =>
    withGateway(call, async ({ client }) => {
      const { body } = await client.gateway.request<Attempt>('POST', `${pathOf(call.args)}/test`)
      await call.terminal.out.write(shown(body, call.options.json))
      return body.outcome === 'delivered' ? ExitCode.done : ExitCode.failed
    }),
})

export const replayCommand = command({
  description: `Delivers past events of a stream to a webhook again, in order. New events do not wait for it.`,
  args: [WEBHOOK],
  options: {
    from: value('--from START', 'the first event: beginning, an event id to start after, or a time', {
      parse: text,
    }),
    to: value(
      '--to END',
      'the last event: an event id, or a time before which it was stored (default: the last one that was delivered)',
      {
        parse: text,
      },
    ),
    stop: flag('--stop', 'stop the replay that is running'),
    json,
    ...gatewayOptions,
  },
  examples: [
    'sluice webhook replay 0190a6c4-8f0e-7d52-b5c1-3c1f0c0a7e11 --from 2026-11-21T06:00:00Z',
    'sluice webhook replay 0190a6c4-8f0e-7d52-b5c1-3c1f0c0a7e11 --from 10532.k7f3qa --to 10540.p2m9ds',
    'sluice webhook replay 0190a6c4-8f0e-7d52-b5c1-3c1f0c0a7e11 --stop',
  ],
  notes: `A webhook has one replay at a time. The receiver gets the same webhook-id for the same event, so it can tell what it has already
processed.

${declared.notes}`,
  exitCodes: EXIT_CODES,
  async run({ options, args, env, terminal }) {
    const { from, to, stop, json } = options
    if ((from === undefined) !== stop) throw new UsageError('Give either --from or --stop.')
    const path = `${pathOf(args)}/replay`
    return await withGateway({ options, env, terminal }, async ({ client: { gateway } }) => {
      if (stop) {
        await gateway.request('DELETE', path)
        await terminal.err.line('No replay is running now.')
        return undefined
      }
      const body = { from, ...(to !== undefined && { to }) }
      await terminal.out.write(shown((await gateway.request<Replay>('POST', path, { body })).body, json))
      return undefined
    })
  },
})

export const retryCommand = command({
  description: `Delivers the event of a delivery again, delivered or not, or all dead letters.`,
  args: [
    WEBHOOK,
    { name: 'DELIVERY', help: 'the id of a delivery, from sluice webhook deliveries', isOptional: true },
  ],
  options: {
    dead: flag('--dead', 'all dead letters, the oldest 1,000 of them'),
    ...gatewayOptions,
  },
  examples: [
    'sluice webhook retry 0190a6c4-8f0e-7d52-b5c1-3c1f0c0a7e11 0190a6d0-11a2-7c3e-9a55-0c6f5b1d2e33',
    'sluice webhook retry 0190a6c4-8f0e-7d52-b5c1-3c1f0c0a7e11 --dead',
  ],
  ...declared,
  async run({ options, args, env, terminal }) {
    const [id = '', delivery] = args
    if ((delivery === undefined) !== options.dead) throw new UsageError('Give either DELIVERY or --dead.')
    return await withGateway({ options, env, terminal }, async ({ client: { gateway } }) => {
      const see = `See the attempts: sluice webhook deliveries ${id}`
      if (delivery === undefined) {
        const { body } = await gateway.request<Retried>('POST', `${pathOf([id])}/dead-letters/retry`)
        await terminal.err.line(`${body.retried} dead letters are delivered again. ${see}`)
        return undefined
      }
      await gateway.request('POST', `${pathOf([id])}/deliveries/${encodeURIComponent(delivery)}/retry`)
      await terminal.err.line(`The event is delivered again. ${see}`)
      return undefined
    })
  },
})

interface Retried {
  readonly retried: number
}
