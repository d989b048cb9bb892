/** Loopback ports for servers that need a given port, or that must get the same port after a restart. */
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below what systems give to outgoing connections: a port whose server is away for a moment must stay free. And above 10080, to which
 * `fetch` does not connect (WHATWG Fetch, section Port blocking).
 */
const FIRST = 10_081
const LAST = 32_000
const ATTEMPTS = 20

/** A port on which nobody listens right now. */
export async function freePort(): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    if (await isFree(port)) return port
    if (attempt === ATTEMPTS) throw new Error(`No free port was found between ${FIRST} and ${LAST}.`)
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
