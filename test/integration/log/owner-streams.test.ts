/** Streams per owner, as docs/publishing-from-sql.md makes them: each follower sees what the policy shows that user. */
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { fences, read, section } from '../../harness/document.js'
import { randomFrom } from '../../harness/random.js'
import { connect, logged } from '../../harness/records.js'
import { uniqueName } from '../../harness/server.js'

const USERS = ['ada', 'bob', 'cleo']

t.test(
  'after any changes each follower has the rows that the policy shows that user, and the feed has none',
  async t => {
    const { pool } = await createDatabase(t)
    const role = uniqueName('role')
    await pool.query(`create role ${role}; grant ${role} to current_user`)
    t.teardown(() => pool.query(`drop owned by ${role}; drop role ${role}`))
    const [statements] = fences(section(read('docs/publishing-from-sql.md'), '## Streams per owner'))
    const [table = '', watch = ''] = statements?.text.split(/(?=^select)/m) ?? []
    await pool.query(table)
    await pool.query(`
    grant select, insert, update, delete on public.notes to ${role};
    insert into public.notes (owner, hidden, text) select (array['ada', 'bob', 'cleo'])[1 + n % 3], n % 5 = 0, 'old ' || n
      from generate_series(1, 30) n`)
    await pool.query(watch)
    const client = await connect(t, pool)
    const random = randomFrom(14)
    const pick = (count: number) => random.integer(count)
    const someone = () => USERS[pick(USERS.length)] ?? ''
    const visible = async (user: string) => {
      await client.query(`begin; set local role ${role}; select set_config('app.user', '${user}', true)`)
      const { rows } = await client.query<{ id: number; text: string }>(
        'select id::int, text from public.notes order by id',
      )
      await client.query('commit')
      return rows
    }

    for (let n = 0; n < 300; n += 1) {
      const id = 1 + pick(60)
      const byUser = [
        `insert into public.notes (owner, text) values (current_setting('app.user'), 'new ${n}')`,
        `update public.notes set text = 'changed ${n}' where id = ${id}`,
        `delete from public.notes where id = ${id}`,
      ]
      const byOwner = [
        `update public.notes set owner = '${someone()}' where id between ${id} and ${id + 2}`,
        `update public.notes set hidden = not hidden, text = text || '!' where id = ${id}`,
        `update public.notes set owner = '${someone()}', hidden = not hidden where id = ${id}`,
      ]
      await client.query('begin')
      if (pick(2) === 0) {
        await client.query(`set local role ${role}; select set_config('app.user', '${someone()}', true)`)
        await client.query(byUser[pick(3)] ?? '')
      } else {
        await client.query(byOwner[pick(3)] ?? '')
      }
      await client.query(pick(10) === 0 ? 'rollback' : 'commit')
      if (n % 20 === 0) await client.query(`select sluice.backfill('public.notes', batch => 3)`)
    }

    const followed: Record<string, { id: number; text: string }[]> = {}
    const shown: typeof followed = {}
    for (const user of USERS) {
      const rows = new Map<number, { id: number; text: string }>()
      for (const { type, data } of await logged(pool, `user/${user}`, 'demo')) {
        const { id, owner, hidden, text } = JSON.parse(data)
        // Not even a deleted row has the values of another owner.
        if (owner !== user || hidden) t.fail(`${user} gets ${type} ${data}`)
        if (type === 'note.deleted') rows.delete(id)
        else rows.set(id, { id, text })
      }
      followed[user] = [...rows.values()].sort((a, b) => a.id - b.id)
      shown[user] = await visible(user)
    }
    t.strictSame(followed, shown)
    t.ok(Object.values(shown).every(rows => rows.length > 5))
    t.strictSame(await logged(pool, 'feed', 'demo'), [])
  },
)
