/** Loopback ports for servers that need a given port, or that must get the same port after a restart. */
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'

/**
 * Below what systems give to outgoing connections: a port whose server is away for a moment must stay free. And above 10080, to which
 * `fetch` does not connect (WHATWG Fetch, section Port blocking).
 */
const FIRST = 10_081
const LAST = 32_000
const ATTEMPTS = 20

/**
 * A port on which nobody listens right now, and which no other file of the same run of scripts/test.ts gets: the server may not listen
 * yet, or be away for a moment.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    if ((await isFree(port)) && (await reserve(port))) return port
    if (attempt === ATTEMPTS) throw new Error(`No free port was found between ${FIRST} and ${LAST}.`)
  }
}

/** By a file that only one process can create. */
async function reserve(port: number): Promise<boolean> {
  const run = process.env.SLUICE_TEST_FOLDER
  if (!run) return true
  const folder = join(run, 'ports')
  await mkdir(folder, { recursive: true })
  return await writeFile(join(folder, `${port}`), '', { flag: 'wx' }).then(
    () => true,
    error => {
      if (error.code !== 'EEXIST') throw error
      return false
    },
  )
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
