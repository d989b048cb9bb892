/**
 * The commands `create`, `change` and `rotate-secret` of `sluice webhook`. Only the secret goes to standard output, so it can be
 * piped to its destination; everything for people goes to standard error.
 */

import { UsageError } from '../../../src/process/usage.js'
import type {
  CreatedWebhook,
  RotatedSecret,
  WebhookDocument,
} from '../../../src/webhooks/webhook-document.js'
import { command } from '../declaration.js'
import { duration } from '../duration.js'
import { withGateway } from '../gateway.js'
import { gatewayOptions } from '../gateway-target.js'
import { flag, text, value } from '../option.js'
import { shown } from '../shown.js'
import type { Terminal } from '../terminal.js'
import { declared, json, pathOf, WEBHOOK } from '../webhooks/webhook-command.js'
import { settingOptions, settingsOf } from '../webhooks/webhook-options.js'

export const createCommand = command({
  description: `Creates a webhook, which posts the events of a stream to URL, and prints the secret that signs its requests.`,
  args: [{ name: 'URL', help: 'the address that gets the events: https://…' }],
  options: {
    stream: value('--stream NAME', 'the stream (default feed)', { parse: text }),
    start: value(
      '--start START',
      'the first event: now (default), beginning, or an event id to start after',
      {
        parse: text,
      },
    ),
    ...settingOptions,
    paused: flag('--paused', 'deliver nothing before sluice webhook resume'),
    json: flag('--json', 'print the webhook as JSON, with its secret'),
    ...gatewayOptions,
  },
  examples: [
    "sluice webhook create https://example.com/hooks/sluice --types 'item.*' > webhook.secret",
    "sluice webhook create https://example.com/hooks/jobs --types 'job.*' --where 'data.status eq \"failed\"'",
    'sluice webhook create https://example.com/hooks --stream orders/7 --start beginning --order parallel',
  ],
  ...declared,
  async run({ options, args: [url = ''], env, terminal }) {
    const { stream, start, paused, json } = options
    const body = {
      url,
      ...(stream !== undefined && { stream }),
      ...(start !== undefined && { start }),
      ...(paused && { enabled: false }),
      ...(await settingsOf(options)),
    }
    return await withGateway({ options, env, terminal }, async ({ client }) => {
      const { body: made } = await client.gateway.request<CreatedWebhook>('POST', '/api/webhooks', { body })
      await handOver(made, json, terminal)
      const what = paused ? 'It is paused: resume it when its receiver is ready.' : 'Deliveries begin now.'
      await terminal.err.line(
        `The webhook ${made.id} posts events of ${made.stream}. ${what} Try it: sluice webhook test ${made.id}`,
      )
      return undefined
    })
  },
})

export const changeCommand = command({
  description:
    'Changes the given settings of a webhook, and shows it. --headers replaces all further headers.',
  args: [WEBHOOK],
  options: {
    to: value('--to URL', 'the new address that gets the events', { parse: text }),
    ...settingOptions,
    json,
    ...gatewayOptions,
  },
  examples: [
    'sluice webhook change 0190a6c4-8f0e-7d52-b5c1-3c1f0c0a7e11 --to https://example.com/hooks/v2',
    "sluice webhook change 0190a6c4-8f0e-7d52-b5c1-3c1f0c0a7e11 --types 'item.*,order.*'",
  ],
  ...declared,
  async run({ options, args, env, terminal }) {
    const body = { ...(options.to !== undefined && { url: options.to }), ...(await settingsOf(options)) }
    if (Object.keys(body).length === 0) {
      throw new UsageError('Nothing to change: give --to, --types or another setting.')
    }
    return await withGateway({ options, env, terminal }, async ({ client }) => {
      const { body: changed } = await client.gateway.request<WebhookDocument>('PATCH', pathOf(args), { body })
      await terminal.out.write(shown(changed, options.json))
      return undefined
    })
  },
})

export const rotateSecretCommand = command({
  description: `Prints a new secret for a webhook. For 24 hours, or --overlap, both secrets sign each request, so that the receiver can change to the
new one without losing a delivery.`,
  args: [WEBHOOK],
  options: {
    overlap: value('--overlap DURATION', 'how long the old secret signs too (default 24h; 0s: no longer)', {
      parse: duration,
    }),
    json: flag('--json', 'print the answer of the gateway as JSON'),
    ...gatewayOptions,
  },
  examples: ['sluice webhook rotate-secret 0190a6c4-8f0e-7d52-b5c1-3c1f0c0a7e11 > webhook.secret'],
  ...declared,
  run: call =>
    withGateway(call, async ({ client }) => {
      const path = `${pathOf(call.args)}/rotate-secret`
      const { overlap, json } = call.options
      const { body } = await client.gateway.request<RotatedSecret>('POST', path, {
        ...(overlap !== undefined && { body: { overlap: overlap / 1_000 } }),
      })
      await handOver(body, json, call.terminal)
      if (overlap !== 0) {
        await call.terminal.err.line(
          'The old secret signs too until the overlap ends: give the receiver the new one before.',
        )
      }
      return undefined
    }),
})

async function handOver(
  made: CreatedWebhook | RotatedSecret,
  json: boolean,
  { out, err }: Terminal,
): Promise<void> {
  // Not through `line`, which leaves secrets out.
  await out.write(json ? shown(made, true) : `${made.secret}\n`)
  await err.line(
    'The secret is not shown again: give it to the receiver, which verifies the signatures with it.',
  )
}
