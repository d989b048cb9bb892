/** The caps of open streams over workers and gateways, as processes. */
import t from 'tap'
import { createDatabase } from '../harness/database.js'
import { type EventStream, openStream } from '../harness/event-stream.js'
import { as } from '../harness/gateway.js'
import { startProcess } from '../harness/process.js'
import { bearer, token } from '../harness/tokens.js'
import { until } from '../harness/until.js'

const CAP = 6
/** 10 s in which a refusal may be out of date, and the exchanges before and after. */
const SETTLED_MS = 30_000

t.test(
  'the caps hold over workers and gateways, and the clients of a killed gateway keep their place',
  async t => {
    const { url: databaseUrl, pool } = await createDatabase(t)
    const env = { MAX_STREAMS_PER_PRINCIPAL: `${CAP}` }
    const killed = await startProcess(t, { databaseUrl, env })
    const workers = await startProcess(t, { databaseUrl, env: { ...env, WORKERS: '2' } })
    const isRefused = (stream: EventStream) => stream.messages.at(-1)?.event === 'unavailable'
    const openMany = async (url: string, count: number, headers: { authorization: string }) => {
      const streams: EventStream[] = []
      for (let opened = 0; opened < count; opened += 1) {
        const stream = await openStream(t, `${url}/api/events`, { headers })
        await stream.until(1)
        streams.push(stream)
      }
      return streams
    }
    const slotsOf = async (principal: string) => {
      const { rows } = await pool.query(
        `select coalesce(sum(h.value::integer), 0)::integer as slots, count(*) filter (where h.key = any ($2))::integer as killed
         from sluice.stream_slots s cross join jsonb_each(s.holders) h where s.key = $1`,
        [`principal acme ${principal}`, [gone]],
      )
      return rows[0]
    }
    let gone = ''
    await until('its row is there', async () => {
      const { rows } = await pool.query('select id::text from sluice.nodes where name like $1', [
        `%/${killed.pid}`,
      ])
      gone = rows[0]?.id ?? ''
      return gone !== ''
    })
    const grace = bearer(token({ role: 'viewer', workspace: 'acme', sub: 'grace' }))

    await openMany(killed.url, 4, grace)
    await until('the slots are claimed', async () => (await slotsOf('grace')).slots === 4)
    await killed.kill()
    const back = await openMany(workers.url, 4, grace)
    const many = await openMany(workers.url, CAP + 3, as('viewer'))

    await until(
      'the slots of the killed process belong to the others',
      async () => {
        const { slots, killed } = await slotsOf('grace')
        return slots === 4 && killed === 0
      },
      SETTLED_MS,
    )
    await until('what is beyond the cap has ended', () => many.filter(isRefused).length >= 3, SETTLED_MS)
    t.equal(many.filter(isRefused).length, 3)
    t.match(many.find(isRefused)?.messages.at(-1)?.data, '{"reason":"limit","limit":"principal"}')
    await until('its row has the others', async () => (await slotsOf('viewer-of-acme')).slots === CAP)
    t.strictSame(back.filter(isRefused), [])
  },
)
