import t, { type Test } from 'tap'
import type { Principal } from '../../../../src/auth/principal.js'
import { Guard } from '../../../../src/auth/revocations/guard.js'
import { OpenStreams } from '../../../../src/auth/revocations/open-streams.js'
import type { RevocationInForce } from '../../../../src/auth/revocations/revocations.js'
import { createDatabase } from '../../../harness/database.js'
import { openStream } from '../../../harness/event-stream.js'
import { startGateway } from '../../../harness/gateway.js'
import { connectRaw } from '../../../harness/raw-client.js'
import { bearer, token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'

const KEY_END = 5_000

t.test('revoked credentials renew no stream, even one whose own credentials are good', async t => {
  const { guard, renewed, revoke } = await startGuard(t)
  await revoke({ token_id: 'stolen' })

  guard.renew('c1', principal({ kind: 'token', id: 'stolen' }))
  guard.renew('c1', principal({ kind: 'token', id: 'good' }))

  t.strictSame(renewed, ['good'])
})

t.test('load() looks up every key in use, whichever changes were received', async t => {
  const { guard, keys, ends, ended, forgotten } = await startGuard(t)
  const waiting = guard.whileGood(
    principal({ kind: 'key', id: 'k2' }),
    new AbortController().signal,
    signal => {
      return new Promise(resolve => signal.addEventListener('abort', () => resolve('over')))
    },
  )
  keys.set('k1', KEY_END)
  keys.set('k2', Number.NEGATIVE_INFINITY)

  await guard.load()

  t.strictSame(ends.toSorted(), ['k1 5000', 'k2 -Infinity'])
  t.equal(forgotten(), 1, 'cached lookups of other keys are dropped')
  t.strictSame(ended(), [], 'k1 goes on until its end')
  await t.rejects(waiting, { code: 'key-revoked' })
})

// Attack: the message about the revocation falls into an outage, while the request of the thief waits for the database.
t.test('load() looks up the key of a request that has not opened its stream yet', async t => {
  const { guard, keys } = await startGuard(t)
  const thief = principal({ kind: 'key', id: 'k2' })
  await guard.assertNotRevoked(thief)
  keys.set('k2', Number.NEGATIVE_INFINITY)

  await guard.load()

  t.throws(() => guard.admit(thief, ['viewer']), { code: 'key-revoked' })
})

t.test('a key is good again whose revocation the log has lost', async t => {
  const { guard, keys } = await startGuard(t)
  const [owner, thief] = [principal({ kind: 'key', id: 'k2' }), principal({ kind: 'key', id: 'k3' })]
  for (const key of ['k2', 'k3']) {
    keys.set(key, Number.NEGATIVE_INFINITY)
    await guard.keyChanged(key)
  }

  keys.delete('k2')
  await guard.load()

  t.throws(() => guard.current(owner), { code: 'key-revoked' }, 'until it is read')
  await guard.assertNotRevoked(owner)
  t.equal(guard.current(owner), owner)
  await t.rejects(guard.assertNotRevoked(thief) ?? Promise.resolve(), { code: 'key-revoked' })
})

t.test('a change of a key applies to a principal from an earlier lookup', async t => {
  const { guard, keys } = await startGuard(t)
  const [rotated, revoked] = [principal({ kind: 'key', id: 'k1' }), principal({ kind: 'key', id: 'k2' })]
  keys.set('k1', KEY_END)
  keys.set('k2', Number.NEGATIVE_INFINITY)

  for (const key of ['k1', 'k2']) await guard.keyChanged(key)

  t.strictSame(guard.current(rotated), { ...rotated, expiresAt: KEY_END })
  t.strictSame(guard.current({ ...rotated, expiresAt: 1_000 }), { ...rotated, expiresAt: 1_000 })
  t.throws(() => guard.current(revoked), { code: 'key-revoked' })
})

t.test('of two changes of a key the later one counts, in whichever order the database answers', async t => {
  const { guard, keys, ends, delay } = await startGuard(t)
  const thief = principal({ kind: 'key', id: 'k1' })
  keys.set('k1', KEY_END)
  const answer = delay()
  const rotated = guard.keyChanged('k1')
  keys.set('k1', Number.NEGATIVE_INFINITY)
  await guard.keyChanged('k1')

  answer()
  await rotated

  t.strictSame(ends, ['k1 -Infinity'])
  t.throws(() => guard.current(thief), { code: 'key-revoked' })
})

// Attack: a stream is renewed with a key that is being rotated, by way of a gateway that has not heard of it.
t.test('a key renews a stream at most until its own expiry', async t => {
  const { guard, keys, renewedUntil } = await startGuard(t)
  keys.set('k1', KEY_END)
  await guard.keyChanged('k1')

  guard.renew('c1', principal({ kind: 'key', id: 'k1' }))

  t.strictSame(renewedUntil, [KEY_END])
})

t.test('each of many concurrent reloads reads the revocations that exist when it is called', async t => {
  const { guard, revoke, pool } = await startGuard(t)
  const eve = principal({ kind: 'token', id: undefined })
  const before = Array.from({ length: 20 }, () => guard.reload())
  await pool.query(`insert into sluice.revocations (workspace, subject, by) values ('acme', 'eve', 'root')`)

  await guard.reload()

  t.throws(() => guard.current(eve), { code: 'token-revoked' })
  await Promise.all(before)
  await pool.query('delete from sluice.revocations')
  await revoke({ subject: 'somebody' })
  t.equal(guard.current(eve), eve)
})

t.test(
  'a change counts that arrives while all revocations are read, or before the revocation that it removes',
  async t => {
    const { guard, pool } = await startGuard(t)
    const eve = principal({ kind: 'token', id: undefined })
    const [first, second] = [made('1'), made('2')]
    const query = pool.query
    t.intercept(pool, 'query', {
      value: async (...given: Parameters<typeof query>) => {
        const read = await query.apply(pool, given)
        // After the snapshot was taken, before it is known here.
        guard.apply([{ made: first }])
        return read
      },
    })

    await guard.reload()

    t.throws(() => guard.current(eve), { code: 'token-revoked' })
    guard.apply([{ removed: first }, { removed: second }])
    guard.apply([{ made: second }])
    t.equal(guard.current(eve), eve, 'the removal was heard of first')
  },
)

t.test('a caller that is revoked after authentication, while its request waits, is not served', async t => {
  const { app, url } = await startGateway(t)
  await app.database.query(`select sluice.append('acme', 'feed', 'thing.made', '{}')`)
  const { starts } = app.hub
  const { resolve } = starts
  starts.resolve = async (...given) => {
    await app.database.query(`insert into sluice.revocations (workspace, by) values ('acme', 'root')`)
    await app.guard.reload()
    return resolve.apply(starts, given)
  }

  const stream = await openStream(t, `${url}/api/events?from=beginning`, { headers: bearer(token()) })

  t.equal(stream.response.statusCode, 401)
  await stream.ended()
  t.match(stream.text(), '"token-revoked"')
})

t.test('a request whose body arrives after its credentials were revoked changes nothing', async t => {
  const { app } = await startGateway(t)
  const { guard } = app
  const entered = new Promise<void>(resolve => {
    guard.assertNotRevoked = async principal => {
      await Guard.prototype.assertNotRevoked.call(guard, principal)
      resolve()
    }
  })
  const body = JSON.stringify({ name: 'for later', role: 'admin' })
  const stolen = bearer(token({ role: 'admin' })).authorization
  const head = `Authorization: ${stolen}\nContent-Type: application/json\nContent-Length: ${body.length}\n`
  const thief = await connectRaw(t, app.server, `POST /api/keys HTTP/1.1\nHost: localhost\n${head}\n`)
  await entered

  await app.database.query(`insert into sluice.revocations (workspace, by) values ('acme', 'root')`)
  await guard.reload()
  thief.socket.write(body)

  t.match(await thief.untilBody('}'), '"token-revoked"')
  t.match(thief.text(), /^HTTP\/1\.1 401 [\s\S]*www-authenticate: Bearer .*invalid_token/i)
  t.equal((await app.database.query('select from sluice.api_keys')).rowCount, 0)
})

t.test('a request whose body arrives after its token expired changes nothing', async t => {
  const { app } = await startGateway(t)
  const exp = Math.floor(Date.now() / 1_000) - 3
  const body = JSON.stringify({ name: 'for later', role: 'admin' })
  const { authorization } = bearer(token({ role: 'admin', exp }))
  const lines = `Authorization: ${authorization}\nContent-Type: application/json\nContent-Length: ${body.length}\n`
  const head = `POST /api/keys HTTP/1.1\nHost: localhost\nExpect: 100-continue\n${lines}\n`
  const thief = await connectRaw(t, app.server, head)
  await until('the head is read', () => thief.text().includes(' 100 Continue'))

  await until('the tolerance of clocks is over', () => Date.now() > (exp + 5) * 1_000)
  thief.socket.write(body)

  t.match(await thief.untilBody('}'), '"token-expired"')
  t.equal((await app.database.query('select from sluice.api_keys')).rowCount, 0)
})

/** A guard with a real table, and a hub in which one client is, with the key k1. */
async function startGuard(test: Test) {
  const { pool } = await createDatabase(test)
  const here = [principal({ kind: 'key', id: 'k1' })]
  const keys = new Map<string, number>()
  const renewed: (string | undefined)[] = []
  const renewedUntil: number[] = []
  const ends: string[] = []
  let concerns = (_: Principal) => false
  let forgotten = 0
  let answered: Promise<void> | undefined
  const guard = new Guard({
    database: pool,
    streams: {
      admit: OpenStreams.prototype.admit,
      principals: () => here.values(),
      revoke: next => {
        concerns = next
      },
      renew: (_, { credential, expiresAt }) => {
        renewed.push(credential.id)
        renewedUntil.push(expiresAt)
      },
      keyChanged: (key, { expiresAt }) => ends.push(`${key} ${expiresAt}`),
    },
    keys: {
      forget() {},
      forgetAll: () => (forgotten += 1),
      async stateOf(key) {
        const state = { expiresAt: keys.get(key) ?? Number.POSITIVE_INFINITY, grants: undefined }
        const held = answered
        answered = undefined
        await held
        return state
      },
    },
  })
  await guard.reload()

  const revoke = async (what: Partial<RevocationInForce>) => {
    const values = [what.subject ?? null, what.token_id ?? null]
    const into = 'insert into sluice.revocations (workspace, subject, token_id, by)'
    await pool.query(`${into} values ('acme', $1, $2, 'root')`, values)
    await guard.reload()
  }
  /** Holds the answer to the next question for a key until the returned function is called. */
  const delay = () => {
    let answer = () => {}
    answered = new Promise(resolve => (answer = resolve))
    return () => answer()
  }
  const ended = () => here.filter(one => concerns(one))
  return { guard, pool, keys, renewed, renewedUntil, ends, revoke, ended, delay, forgotten: () => forgotten }
}

/** A revocation of eve. */
function made(id: string) {
  return { id, workspace: 'acme', subject: 'eve', token_id: null, at: 2_000, expiresAt: null }
}

function principal(credential: Principal['credential']): Principal {
  const eve = { id: 'eve', workspace: 'acme', role: 'viewer', issuedAt: 1_000, grants: undefined } as const
  return { ...eve, expiresAt: Number.POSITIVE_INFINITY, credential }
}
