/**
 * A relay between nginx and a gateway that can cut connections in the middle of an event, as a killed process or a
 * broken network does, but at a byte that the test chooses.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

export interface CuttingRelay {
  readonly port: number
  /** From now on each connection that is open is cut before these bytes, once they come from the gateway. */
  cutBefore(bytes: string): void
  /** How many were cut. */
  cuts(): number
}

/** @param port of the gateway, which may be away for a while. */
export async function startCuttingRelay(t: Test, port: number): Promise<CuttingRelay> {
  const open = new Set<Passage>()
  let cuts = 0
  const server = createServer(inward => {
    const passage: Passage = { inward, outward: connect(port, '127.0.0.1'), cutBefore: undefined }
    const { outward } = passage
    open.add(passage)
    inward.on('error', () => {})
    outward.on('error', () => inward.destroy())
    inward.on('close', () => {
      open.delete(passage)
      outward.destroy()
    })
    inward.pipe(outward)
    outward.on('end', () => inward.end())
    outward.on('data', chunk => {
      const at = passage.cutBefore === undefined ? -1 : chunk.indexOf(passage.cutBefore)
      if (at >= 0) {
        cuts += 1
        outward.removeAllListeners('data').removeAllListeners('end')
        inward.end(chunk.subarray(0, at), () => inward.destroy())
      } else if (!inward.write(chunk)) outward.pause()
    })
    inward.on('drain', () => outward.resume())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const { inward } of open) inward.destroy()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    cutBefore(bytes) {
      for (const passage of open) passage.cutBefore = bytes
    },
    cuts: () => cuts,
  }
}

interface Passage {
  readonly inward: Socket
  readonly outward: Socket
  cutBefore: string | undefined
}
