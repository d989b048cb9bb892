/** `sluice webhook`: the webhooks of the workspace and their deliveries, and the deliveries of a stream to a local server. */

import { Listing } from '../../../clients/typescript/src/listing.js'
import type { Attempt } from '../../../src/webhooks/attempt-document.js'
import { OUTCOMES } from '../../../src/webhooks/delivery-records.js'
import { STATES } from '../../../src/webhooks/webhook.js'
import type { WebhookDocument } from '../../../src/webhooks/webhook-document.js'
import { command, type Noun } from '../declaration.js'
import { withGateway } from '../gateway.js'
import { gatewayOptions } from '../gateway-target.js'
import { flag, integer, oneOf, text, value, valueOr } from '../option.js'
import { shown, writeList } from '../shown.js'
import { declared, EXIT_CODES, json, pathOf, WEBHOOK } from '../webhooks/webhook-command.js'
import { ATTEMPT_HEAD, attemptCells, WEBHOOK_HEAD, webhookCells } from '../webhooks/webhook-table.js'

const MAX_PAGE = 200
const lines = flag('--json', 'print one JSON document per line')
const limit = valueOr('--limit N', 'at most this many (100)', 100, { parse: integer(1, 1_000_000) })

const listCommand = command({
  description: 'Lists the webhooks of the workspace, newest first, with their health.',
  options: {
    state: value('--state STATE', STATES.join(', '), { parse: oneOf(STATES) }),
    stream: value('--stream NAME', 'only webhooks on this stream', { parse: text }),
    limit,
    json: lines,
    ...gatewayOptions,
  },
  examples: ['sluice webhook list', "sluice webhook list --json | jq 'select(.failing) | .url'"],
  ...declared,
  run: call =>
    withGateway(call, async ({ client }) => {
      const { state, stream, limit, json } = call.options
      const query = { state, stream, limit: Math.min(limit, MAX_PAGE) }
      const listed = new Listing<WebhookDocument>(client.gateway, '/api/webhooks', 'webhooks', query)
      await writeList(listed, call.terminal.out, { limit, json, head: WEBHOOK_HEAD, row: webhookCells })
      return undefined
    }),
})

const showCommand = command({
  description: 'Shows a webhook: its settings, its place in the stream, and its health.',
  args: [WEBHOOK],
  options: { json, ...gatewayOptions },
  examples: ['sluice webhook show 0190a6c4-8f0e-7d52-b5c1-3c1f0c0a7e11'],
  ...declared,
  run: call =>
    withGateway(call, async ({ client }) => {
      const { body } = await client.gateway.request<WebhookDocument>('GET', pathOf(call.args))
      await call.terminal.out.write(shown(body, call.options.json))
      return undefined
    }),
})

const deliveriesCommand = command({
  description: 'Lists the attempts to deliver events to a webhook, newest first.',
  args: [WEBHOOK],
  options: {
    outcome: value('--outcome OUTCOME', OUTCOMES.join(', '), { parse: oneOf(OUTCOMES) }),
    event: value('--event ID', 'only attempts for this event', { parse: text }),
    limit,
    json: flag('--json', 'print one JSON document per line, with what the receiver answered'),
    ...gatewayOptions,
  },
  examples: [
    'sluice webhook deliveries 0190a6c4-8f0e-7d52-b5c1-3c1f0c0a7e11 --outcome failed',
    'sluice webhook deliveries 0190a6c4-8f0e-7d52-b5c1-3c1f0c0a7e11 --event 10532.k7f3qa --json',
  ],
  ...declared,
  run: call =>
    withGateway(call, async ({ client }) => {
      const { outcome, event, limit, json } = call.options
      const query = { outcome, event, limit: Math.min(limit, MAX_PAGE) }
      const path = `${pathOf(call.args)}/deliveries`
      const listed = new Listing<Attempt>(client.gateway, path, 'deliveries', query)
      await writeList(listed, call.terminal.out, { limit, json, head: ATTEMPT_HEAD, row: attemptCells })
      return undefined
    }),
})

export const webhookNoun: Noun = {
  description: `Administers webhooks, which post the events of a stream to a URL, and posts events to a local server while you develop
its handler. Only admins may administer webhooks; for listen, the right to read the stream is enough.`,
  commands: [
    {
      name: 'listen',
      summary: 'post the events of a stream to a local server, signed as a webhook is (--forward URL)',
      load: async () => (await import('./webhook-listen.js')).listenCommand,
    },
    {
      name: 'create',
      summary: 'create a webhook and print its secret (URL)',
      load: async () => (await changes()).createCommand,
    },
    { name: 'list', summary: 'list webhooks with their health', load: () => listCommand },
    { name: 'show', summary: 'show a webhook (ID)', load: () => showCommand },
    { name: 'change', summary: 'change a webhook (ID)', load: async () => (await changes()).changeCommand },
    {
      name: 'delete',
      summary: 'delete a webhook and its history (ID)',
      load: async () => (await states()).deleteCommand,
    },
    {
      name: 'pause',
      summary: 'stop deliveries for now (ID)',
      load: async () => (await states()).pauseCommand,
    },
    {
      name: 'resume',
      summary: 'continue where deliveries have stopped (ID)',
      load: async () => (await states()).resumeCommand,
    },
    {
      name: 'test',
      summary: 'post a test event now and show the answer (ID)',
      load: async () => (await sending()).testCommand,
    },
    {
      name: 'replay',
      summary: 'deliver past events again, or stop that (ID --from START)',
      load: async () => (await sending()).replayCommand,
    },
    {
      name: 'retry',
      summary: 'deliver the event of a delivery, or all dead letters, again (ID DELIVERY)',
      load: async () => (await sending()).retryCommand,
    },
    {
      name: 'rotate-secret',
      summary: 'print a new secret; the old one signs too for 24 hours (ID)',
      load: async () => (await changes()).rotateSecretCommand,
    },
    { name: 'deliveries', summary: 'list the attempts of a webhook (ID)', load: () => deliveriesCommand },
  ],
  exitCodes: EXIT_CODES,
}

function changes() {
  return import('./webhook-changes.js')
}

function states() {
  return import('./webhook-states.js')
}

function sending() {
  return import('./webhook-sending.js')
}
