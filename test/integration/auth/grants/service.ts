/** A service that decides at run time, as operators write it: it counts what it is asked, and by how many connections. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { BEHIND_PROXY } from '../../../harness/gateway.js'

export const TOKEN = 'the token of the gateway, 32 characters'
export type Reply = (question: Question, response: ServerResponse) => void
export interface Question {
  readonly principal: { readonly id: string; readonly workspace: string; readonly role: string }
  readonly action: string
  readonly stream: string
  readonly project?: string
}

export const say =
  (answer: unknown): Reply =>
  (_, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer))
  }

export async function startService(t: Test, reply: Reply) {
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  const asked: Question[] = []
  const tokens: (string | undefined)[] = []
  const service = { asked, tokens, reply, connections: 0, env: {} as Record<string, string>, close }
  const server = createServer(async (request: IncomingMessage, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const question = JSON.parse(Buffer.concat(parts).toString()) as Question
    asked.push(question)
    tokens.push(request.headers.authorization)
    service.reply(question, response)
  })
  server.on('connection', () => {
    service.connections += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(close)
  const { port } = server.address() as AddressInfo
  service.env = { AUTHORIZE_URL: `http://127.0.0.1:${port}/decide`, AUTHORIZE_TOKEN: TOKEN, ...BEHIND_PROXY }
  return service
}
