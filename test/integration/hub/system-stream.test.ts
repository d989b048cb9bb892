import t from 'tap'
import { inTransaction } from '../../../src/database/pool.js'
import { SystemStream } from '../../../src/hub/system-stream.js'
import { silent, startHub } from '../../harness/hub.js'
import { until } from '../../harness/until.js'

t.test('a stream whose events were lost is loaded again, whatever was published since', async t => {
  const { pool, tailer } = await startHub(t)
  const heard: string[] = []
  const stream = new SystemStream({
    database: pool,
    tailer,
    logger: silent,
    name: 'test',
    kind: 'system',
    load: last => void heard.push(`loaded ${last?.type}`),
    receive: events => void heard.push(...events.map(({ type }) => type)),
  })
  t.teardown(() => stream.close())
  await stream.start()
  const say = (type: string) => `select sluice.append('$system', 'test', '${type}', '{}')`
  await pool.query(say('a'))
  await until('what was said', () => heard.includes('a'))

  await inTransaction(pool, async client => {
    await client.query('delete from sluice.events')
    for (const type of ['b', 'c']) await client.query(say(type))
  })
  await until('all of it anew', () => heard.at(-1) === 'loaded c')
  await pool.query('delete from sluice.events')
  await until('that nothing is left', () => heard.at(-1) === 'loaded undefined')

  t.strictSame(heard, ['loaded undefined', 'a', 'loaded c', 'loaded undefined'])
})
