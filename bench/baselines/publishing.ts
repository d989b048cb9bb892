/**
 * The common part of the baselines in Node: a POST whose body is one event or several, and the address at which they
 * listen.
 */
import type { IncomingMessage, Server } from 'node:http'

export interface Tick {
  readonly type: string
  readonly data: object
}

export async function ticksOf(request: IncomingMessage): Promise<Tick[]> {
  let body = ''
  request.setEncoding('utf8')
  for await (const chunk of request) body += chunk
  return [JSON.parse(body)].flat()
}

/** Reports the server's address to the parent process. */
export function listen(server: Server): void {
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (typeof address === 'object') console.log(`http://127.0.0.1:${address?.port}`)
  })
}
