/** The commands of `sluice webhook` that stop one, let it continue, and delete it. */
import type { WebhookDocument } from '../../../src/webhooks/webhook-document.js'
import { command } from '../declaration.js'
import { withGateway } from '../gateway.js'
import { type GatewayCall, gatewayOptions } from '../gateway-target.js'
import { shown } from '../shown.js'
import { declared, json, pathOf, WEBHOOK } from '../webhooks/webhook-command.js'

export const pauseCommand = command({
  description: 'Stops the deliveries of a webhook. It keeps its place: resume continues with the next event.',
  args: [WEBHOOK],
  options: { json, ...gatewayOptions },
  examples: ['sluice webhook pause 0190a6c4-8f0e-7d52-b5c1-3c1f0c0a7e11'],
  ...declared,
  run: call =>
    changeState(
      call,
      'pause',
      ({ lag }) =>
        `is paused, ${lag.events} events behind. Events wait for it as long as the stream keeps them.`,
    ),
})

export const resumeCommand = command({
  description: `Lets a webhook that is paused or disabled continue with the event after its last delivery. The first attempt is made
at once.`,
  args: [WEBHOOK],
  options: { json, ...gatewayOptions },
  examples: ['sluice webhook resume 0190a6c4-8f0e-7d52-b5c1-3c1f0c0a7e11'],
  ...declared,
  run: call => changeState(call, 'resume', ({ lag }) => `is active again, ${lag.events} events behind.`),
})

export const deleteCommand = command({
  description: 'Deletes a webhook with its place, its secrets and the record of its deliveries, for good.',
  args: [WEBHOOK],
  options: { ...gatewayOptions },
  examples: ['sluice webhook delete 0190a6c4-8f0e-7d52-b5c1-3c1f0c0a7e11'],
  ...declared,
  run: call =>
    withGateway(call, async ({ client }) => {
      await client.gateway.request('DELETE', pathOf(call.args))
      await call.terminal.err.line(`The webhook ${call.args[0]} is deleted.`)
      return undefined
    }),
})

type StateCall = GatewayCall & {
  readonly args: readonly string[]
  readonly options: { readonly json: boolean }
}

function changeState(
  call: StateCall,
  action: 'pause' | 'resume',
  sentenceOf: (webhook: WebhookDocument) => string,
): Promise<undefined> {
  return withGateway(call, async ({ client }) => {
    const { body } = await client.gateway.request<WebhookDocument>('POST', `${pathOf(call.args)}/${action}`)
    const { out, err } = call.terminal
    if (call.options.json) await out.write(shown(body, true))
    else await err.line(`The webhook ${body.id} ${sentenceOf(body)}`)
    return undefined
  })
}
