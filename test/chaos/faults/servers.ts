/** Faults of Postgres itself. */
import pg from 'pg'
import { ended, type Fault, type Scene } from '../fault.js'

const MOST_SESSIONS = 200
const OURS = `backend_type = 'client backend' and application_name like 'sluice%'`

export const SERVER_FAULTS: readonly Fault[] = [
  {
    name: 'postgres-stopped',
    parts: ['postgres'],
    causes: [],
    lasts: [500, 8_000],
    isShort: true,
    async inject({ world }) {
      await world.databases.stop()
      return () => world.databases.start()
    },
  },
  {
    name: 'postgres-killed',
    parts: ['postgres'],
    causes: [],
    lasts: [200, 4_000],
    isShort: true,
    async inject({ world }) {
      await world.databases.kill()
      return () => world.databases.start()
    },
  },
  {
    name: 'postgres-restarted',
    parts: ['postgres'],
    causes: ['postgres-stopped'],
    lasts: [0, 0],
    async inject({ world, random }) {
      for (let left = random.between(2, 4); left > 0; left -= 1) {
        await world.databases.stop()
        await world.databases.start()
      }
      return ended
    },
  },
  {
    name: 'postgres-frozen',
    parts: ['postgres'],
    causes: ['network'],
    lasts: [2_000, 12_000],
    isShort: true,
    async inject({ world }) {
      await world.databases.freeze()
      return async () => world.databases.thaw()
    },
  },
  {
    name: 'backend-frozen',
    parts: ['postgres'],
    causes: ['network'],
    lasts: [1_500, 8_000],
    isShort: true,
    async inject({ world, random }) {
      const { rows } = await world.databases.execute(
        `select pid from pg_stat_activity where ${OURS} order by pid`,
      )
      const { pid } = random.pick(rows)
      process.kill(pid, 'SIGSTOP')
      return async () => void process.kill(pid, 'SIGCONT')
    },
  },
  {
    name: 'backends-terminated',
    parts: ['postgres', 'listener'],
    causes: ['backend-killed'],
    lasts: [200, 1_000],
    isShort: true,
    async inject({ world }) {
      await world.databases.execute(
        `select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`,
      )
      return ended
    },
  },
  {
    name: 'read-only',
    parts: ['postgres'],
    causes: [],
    lasts: [500, 5_000],
    isShort: true,
    async inject({ world }) {
      await setReadOnly(world, 'on')
      return () => setReadOnly(world, 'off')
    },
  },
  {
    name: 'connections-taken',
    parts: ['postgres', 'listener'],
    causes: ['full', 'backend-killed'],
    lasts: [1_000, 6_000],
    isShort: true,
    inject: takeConnections,
  },
  {
    name: 'table-locked',
    parts: ['postgres'],
    causes: ['network'],
    lasts: [500, 5_000],
    isShort: true,
    async inject({ world }) {
      const client = new pg.Client(world.databases.url)
      client.on('error', () => {})
      await client.connect()
      await client.query('begin; lock table sluice.events in access exclusive mode')
      return () => client.end()
    },
  },
]

async function setReadOnly({ databases }: Scene['world'], value: 'on' | 'off'): Promise<void> {
  await databases.execute(`alter system set default_transaction_read_only = ${value}`)
  await databases.execute('select pg_reload_conf()')
}

/** All that Postgres has: first those that are free, then those that the gateways lose. */
async function takeConnections({ world }: Scene): Promise<() => Promise<void>> {
  const { databases } = world
  const taken: pg.Client[] = []
  const take = async () => {
    const client = new pg.Client({ connectionString: databases.url, application_name: 'greedy' })
    client.on('error', () => {})
    await client.connect().catch(async error => {
      // pg leaves the socket open.
      await client.end()
      throw error
    })
    taken.push(client)
  }
  const fill = async () => {
    let isFull = false
    while (!isFull && taken.length < MOST_SESSIONS)
      await take().catch(() => {
        isFull = true
      })
  }
  await fill()
  await taken[0]?.query(`select pg_terminate_backend(pid) from pg_stat_activity where ${OURS}`)
  await fill()
  return async () => void (await Promise.all(taken.map(client => client.end())))
}
