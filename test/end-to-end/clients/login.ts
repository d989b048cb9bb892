/** The login of an application: tokens that last a few seconds, unless it is away. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { secondsFromNow, token } from '../../harness/tokens.js'

const LIFETIME_S = 8

export interface Login {
  readonly url: string
  isAway: boolean
}

/** Each request gets a token as its body, or 503. */
export async function startLogin(t: Test): Promise<Login> {
  const server = createServer((_, response) => {
    if (login.isAway) response.writeHead(503).end()
    else response.end(token({ exp: secondsFromNow(LIFETIME_S) }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const login = { url: `http://127.0.0.1:${port}`, isAway: false }
  return login
}
