/** Every client of ours as a program that follows the feed, with every kind of cursor, also that of a consumer. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient } from '../../../clients/typescript/src/client.js'
import { Consumers } from '../../../clients/typescript/src/consumers/consumers.js'
import type { Database } from '../../../src/database/pool.js'
import { gatewayEnvironment } from '../../harness/command-line.js'
import { token } from '../../harness/tokens.js'
import type { FollowerProgram } from './lasting-follower.js'
import { TYPE } from './numbered-writers.js'
import { type PythonEnvironment, sources } from './python/environment.js'

const MAIN = fileURLToPath(new URL('../../../server/main.js', import.meta.url))
const TYPESCRIPT = fileURLToPath(new URL('typescript/follower.js', import.meta.url))
const PYTHON = join(sources, 'live/follower.py')
const SILENCE_S = 3
const WORK_MS = '60'

export interface Surroundings {
  /** Of the gateways. */
  readonly url: string
  /** Of a login that gives tokens which last a few seconds. */
  readonly login: string
  /** Holds such a token, while the login is there. */
  readonly tokenFile: string
  readonly folder: string
  readonly databaseUrl: string
  readonly pool: Database
  readonly python: PythonEnvironment
  /** Paths of programs. */
  readonly goFollow: string
  readonly goConsume: string
  readonly goExactlyOnce: string
}

/** Tables of the followers that keep their cursor in Postgres. */
export const TABLES = `
  create table kept (n serial, id text not null);
  create table kept_cursor (one int primary key, id text not null);
  create table orders (n serial, event_id text not null, data jsonb not null);`

export function allFollowers(around: Surroundings): FollowerProgram[] {
  const { url, login, folder, databaseUrl, pool, python } = around
  const inFolder = (name: string) => join(folder, name)
  const common = { env: gatewayEnvironment(url), isWatchful: false, isRenewing: false, announcesWork: false }
  const careful = { isWatchful: true, isRenewing: true, announcesWork: true, idIn: seen }
  const column = async (query: string) => (await pool.query<{ id: string }>(query)).rows.map(({ id }) => id)
  const typescript = (mode: string, place: string) => ({
    ...careful,
    name: `TypeScript, ${mode}`,
    command: [process.execPath, TYPESCRIPT, mode, url, login, place] as const,
    env: { SILENCE_MS: `${SILENCE_S * 1_000}`, WORK_MS },
  })
  const snake = (mode: string, place: string) => ({
    ...careful,
    name: `Python, ${mode}, ${place}`,
    command: [python.python, '-B', PYTHON, mode, url, login, inFolder(place)] as const,
    env: { SILENCE_S: `${SILENCE_S}`, WORK_MS },
  })
  const once = (mode: string) => ({
    ...snake(mode, `${mode}.db`),
    kept: async () => {
      const output = await python.run(['live/follower.py', 'dump', inFolder(`${mode}.db`)])
      return output.split('\n').filter(line => line !== '')
    },
  })
  return [
    typescript('file', inFolder('typescript.json')),
    {
      ...typescript('transaction', databaseUrl),
      kept: () => column('select id from kept order by n'),
    },
    snake('threads', 'threads.cursor'),
    snake('tasks', 'tasks.cursor'),
    once('threads'),
    once('tasks'),
    {
      ...careful,
      name: 'Go, file',
      announcesWork: false,
      command: [around.goFollow, TYPE],
      env: {
        SLUICE_URL: url,
        TOKEN_FILE: around.tokenFile,
        CURSOR_FILE: inFolder('go.cursor'),
        SILENCE: `${SILENCE_S}s`,
      },
      idIn: line => line.split(' ')[0],
    },
    {
      ...common,
      name: 'Go, SQL',
      command: [around.goExactlyOnce],
      env: { ...common.env, DATABASE_URL: `${databaseUrl}?sslmode=disable` },
      kept: () => column('select event_id as id from orders order by n'),
    },
    {
      ...common,
      name: 'sluice tail',
      command: [
        ...[process.execPath, MAIN, 'tail', '--json', '--from', 'beginning'],
        ...['--cursor-file', inFolder('tail.cursor')],
      ] as [string, ...string[]],
      idIn: line => Object(JSON.parse(line)).id,
    },
    { ...typescript('consumer', 'typescript'), consumer: 'typescript' },
    ...['threads', 'tasks'].map(name => ({
      ...snake(`consumer-${name}`, name),
      command: [python.python, '-B', PYTHON, `consumer-${name}`, url, login, name] as const,
      consumer: name,
    })),
    {
      ...careful,
      name: 'Go, consumer',
      announcesWork: false,
      command: [around.goConsume, 'go'],
      env: { SLUICE_URL: url, TOKEN_FILE: around.tokenFile, SILENCE: `${SILENCE_S}s` },
      idIn: line => line.split(' ')[0],
      consumer: 'go',
    },
    {
      ...common,
      name: 'sluice consumer follow',
      command: [process.execPath, MAIN, 'consumer', 'follow', 'command-line', '--json', '--standby'],
      idIn: line => Object(JSON.parse(line)).id,
      consumer: 'command-line',
    },
  ]
}

/** Consumers that begin with the first event. */
export async function createConsumers(
  url: string,
  followers: readonly { readonly program: FollowerProgram }[],
): Promise<void> {
  const consumers = new Consumers(createClient({ url, credentials: token({ role: 'editor' }) }))
  for (const { program } of followers)
    if (program.consumer) await consumers.put(program.consumer, { start: 'beginning' })
}

/** A line of the programs in TypeScript and Python. */
function seen(line: string): string | undefined {
  const { saw, id } = JSON.parse(line)
  return saw === 'event' ? id : undefined
}
