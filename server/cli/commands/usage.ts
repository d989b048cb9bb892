/** `sluice usage`: what a workspace has stored, and its limits. */
import { command } from '../declaration.js'
import { durationOf } from '../doctor/duration.js'
import { withGateway } from '../gateway.js'
import { GATEWAY_NOTES, gatewayOptions } from '../gateway-target.js'
import { flag, text, value } from '../option.js'
import { shown } from '../shown.js'
import { table } from '../table.js'

const STORED = ['events', 'bytes', 'streams', 'jobs'] as const

type Usage = Readonly<Record<(typeof STORED)[number], number>> & {
  readonly workspace: string
  readonly counted_at: string | null
  readonly limits: Readonly<Record<string, number | null>>
}

export const usageCommand = command({
  description: `Shows what a workspace has stored: events, the bytes of their data, streams and jobs; and the limits of the workspace. For
admins. The figures are those of the last count, normally some 10 s ago.`,
  options: {
    workspace: value('--workspace NAME', "another workspace; for the operators' admins", { parse: text }),
    json: flag('--json', 'print JSON'),
    ...gatewayOptions,
  },
  examples: ['sluice usage', 'sluice usage --json | jq .bytes'],
  notes: GATEWAY_NOTES,
  exitCodes: '0 done, 1 failed, 2 wrong usage, 3 refused by the gateway, 4 no gateway answers',
  run: call =>
    withGateway(call, async ({ client }) => {
      const { workspace, json } = call.options
      const query = workspace === undefined ? {} : { workspace }
      const { body } = await client.gateway.request<Usage>('GET', '/api/usage', { query })
      await call.terminal.out.write(json ? shown(body, true) : textOf(body))
      return undefined
    }),
})

function textOf({ workspace, counted_at, limits, ...stored }: Usage): string {
  const age =
    counted_at === null
      ? 'not counted yet'
      : `counted ${durationOf((Date.now() - Date.parse(counted_at)) / 1_000)} ago`
  const rows = STORED.map(name => [name, String(stored[name]), String(limits[name] ?? 'unlimited')])
  const rate = ['events per minute', '', String(limits.events_per_minute ?? 'unlimited')]
  return `${workspace}, ${age}\n${table(['', 'STORED', 'LIMIT'], [...rows, rate])}`
}
