/** What the baselines in Node share: a POST whose body is one event or several, and where they listen. */
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

/** Tells whoever started this process where the server is. */
export function listen(server: Server): void {
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (typeof address === 'object') console.log(`http://127.0.0.1:${address?.port}`)
  })
}
