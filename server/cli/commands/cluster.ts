/** `sluice cluster`: the nodes behind a gateway, with their versions, modes and figures. */
import type { Client } from '../../../clients/typescript/src/client.js'
import { RefusedError } from '../../../clients/typescript/src/errors.js'
import type { NodeDocument } from '../../../src/clients/node-document.js'
import { elapsed } from '../../../src/process/deadline.js'
import { type ClusterState, clusterText } from '../cluster-text.js'
import { command } from '../declaration.js'
import { GatewayProbe, jsonOf } from '../doctor/gateway-probe.js'
import { ExitCode, Failure } from '../exit-code.js'
import { withGateway } from '../gateway.js'
import { gatewayFailure } from '../gateway-failure.js'
import { GATEWAY_NOTES, gatewayOptions, type Target } from '../gateway-target.js'
import { flag, integer, value } from '../option.js'
import { shown } from '../shown.js'

/** Moves the cursor to the top and clears the screen (ECMA-48, CUP and ED). */
const CLEAR = '\u001b[H\u001b[J'

export const clusterCommand = command({
  description: `Shows the nodes (processes) of the cluster: version, mode, clients by kind, streams, how far each is behind the log, its bus,
its memory, the longest delay of its event loop in the last two seconds, and when it was last heard of. Nodes are shown to admins, with OPERATOR_WORKSPACE only to those of that workspace; others see the sums.`,
  options: {
    json: flag('--json', 'print JSON; with --watch one document a line'),
    watch: value(
      '--watch SECONDS',
      'show it again after so many seconds, until Ctrl-C, also while no gateway answers',
      {
        parse: integer(1, 3_600),
      },
    ),
    ...gatewayOptions,
  },
  examples: [
    'sluice cluster',
    'sluice cluster --watch 2',
    "sluice cluster --json | jq '.nodes[] | select(.lag_ms > 0)'",
  ],
  notes: GATEWAY_NOTES,
  exitCodes:
    '0 ready, 1 not ready or failed, 2 wrong usage, 3 refused by the gateway, 4 no gateway answers, 130 Ctrl-C',
  async run({ options, env, terminal: { out, err }, interruption }) {
    const { json, watch } = options
    return await withGateway({ options, env, terminal: { out, err } }, async ({ client, target }) => {
      if (watch === undefined) {
        const state = await readCluster(client, target)
        await out.write(json ? shown(state, true) : clusterText(state, out))
        return state.ready.status === 'ready' ? ExitCode.done : ExitCode.failed
      }
      const signal = interruption()
      do {
        const state = await readCluster(client, target).catch(error => {
          const failure = gatewayFailure(error, target)
          // A watch goes on, to show the gateway when it is back.
          if (failure instanceof Failure && failure.exitCode === ExitCode.unreachable) return failure
          throw error
        })
        const clear = out.isTerminal && !json ? CLEAR : ''
        if (state instanceof Failure) await err.line(state.message)
        else await out.write(clear + (json ? shown(state, true) : clusterText(state, out)))
      } while (await elapsed(watch * 1_000, signal))
      return undefined
    })
  },
})

async function readCluster(
  { gateway }: Client,
  target: Target & { readonly url: string },
): Promise<ClusterState> {
  const { body: state } = await gateway.request<{ mode: string }>('GET', '/api/server/state')
  // Answered with 503 while it is not ready, which is no error here.
  const ready = jsonOf(await new GatewayProbe(new URL(target.url)).ask('/ready')) ?? {}
  const nodes = await gateway.request<{ nodes: readonly NodeDocument[] }>('GET', '/api/cluster').then(
    ({ body }) => body.nodes,
    error => {
      if (error instanceof RefusedError && error.status === 403) return null
      throw error
    },
  )
  return { url: target.url, mode: state.mode, ready, nodes }
}
