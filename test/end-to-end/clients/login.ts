/** The login of an application: tokens that last a few seconds, unless it is away. */
import { once } from 'node:events'
import { rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { secondsFromNow, token } from '../../harness/tokens.js'

const LIFETIME_S = 8
const NEW_TOKEN_MS = 1_000

export interface Login {
  readonly url: string
  isAway: boolean
}

/** Each request gets an editor's token as its body, or 503. */
export async function startLogin(t: Test): Promise<Login> {
  const server = createServer((_, response) => {
    if (login.isAway) response.writeHead(503).end()
    else response.end(token({ role: 'editor', exp: secondsFromNow(LIFETIME_S) }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const login = { url: `http://127.0.0.1:${port}`, isAway: false }
  return login
}

/** A file with the token of the login, which a reader sees whole or not at all. */
export async function keepToken(t: Test, login: Login, file: string): Promise<void> {
  const write = async () => {
    const response = await fetch(login.url)
    const text = await response.text()
    if (!response.ok) return await rm(file, { force: true })
    await writeFile(`${file}.new`, text)
    await rename(`${file}.new`, file)
  }
  await write()
  const writing = setInterval(() => void write().catch(() => undefined), NEW_TOKEN_MS)
  t.teardown(() => clearInterval(writing))
}
