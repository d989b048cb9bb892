/** The gateways of a rolling deploy, as the balancer in front of them knows them. */
import { setTimeout as pause } from 'node:timers/promises'
import { stop } from './child.js'
import { freePort } from './free-port.js'
import type { Upstream } from './rolling-client.js'
import { type Running, startGateway } from './subject.js'

/** Time between two looks of the balancer at `/ready`, in ms. */
export const LOOK_MS = 1_000

export interface Node extends Upstream {
  running: Running
  /** Ends the process in order and starts another one; resolves when the balancer may use it. */
  replace(): Promise<void>
}

export async function startNode(env: Readonly<Record<string, string>>): Promise<Node> {
  const port = await freePort()
  const run = () => startGateway({ ...env, PORT: `${port}` })
  const node: Node = {
    port,
    isReady: false,
    clients: 0,
    connects: [],
    running: await run(),
    async replace() {
      await stop(node.running.child)
      node.running = await run()
      while (!node.isReady) await pause(LOOK_MS / 10)
    },
  }
  return node
}

export async function lookAt(nodes: readonly Node[]): Promise<void> {
  await Promise.all(
    nodes.map(async node => {
      const response = await fetch(`http://127.0.0.1:${node.port}/ready`).catch(() => undefined)
      node.isReady = response?.ok ?? false
    }),
  )
}

/** The ready gateway with the fewest connections. */
export function chosenOf(nodes: readonly Node[]): Node | undefined {
  const ready = nodes.filter(({ isReady }) => isReady)
  return ready.sort((a, b) => a.clients - b.clients)[0]
}
