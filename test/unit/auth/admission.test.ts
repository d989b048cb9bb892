import t from 'tap'
import { Admission } from '../../../src/auth/admission.js'
import { endAsText } from '../../../src/auth/credential-end.js'
import type { Principal } from '../../../src/auth/principal.js'

const ADA: Principal = {
  id: 'ada',
  workspace: 'acme',
  role: 'editor' as const,
  expiresAt: 1_000,
  issuedAt: 0,
  credential: { kind: 'token', id: undefined },
}
const LATER = { ...ADA, expiresAt: 2_000 }

t.test('an admission ends when its credentials expire, to the millisecond', async t => {
  const admission = new Admission({ principal: ADA, access: ['viewer'] })

  t.notOk(admission.isOver(999))
  t.ok(admission.isOver(1_000))
  t.ok(admission.renew(LATER))
  t.notOk(admission.isOver(1_999))
})

t.test(
  'an admission is renewed by credentials of the same principal that expire later and may open the stream',
  async t => {
    const cases: [credentials: Partial<Principal>, access: 'viewer' | 'editor', renewed: boolean][] = [
      [{}, 'editor', true],
      [{ role: 'admin' }, 'editor', true],
      [{ role: 'viewer' }, 'viewer', true],
      [{ role: 'viewer' }, 'editor', false],
      [{ role: 'runner' }, 'viewer', false],
      [{ id: 'eve' }, 'editor', false],
      [{ credential: { kind: 'key', id: '0123456789ab' } }, 'editor', false],
      [{ workspace: 'globex' }, 'editor', false],
      [{ expiresAt: 1_000 }, 'editor', false],
      [{ expiresAt: 999 }, 'editor', false],
      [{ expiresAt: Number.POSITIVE_INFINITY }, 'editor', true],
    ]

    for (const [given, access, renewed] of cases) {
      const admission = new Admission({ principal: ADA, access: [access] })
      const newer = { ...LATER, ...given }
      t.equal(admission.renew(newer), renewed, JSON.stringify(given))
      t.equal(admission.principal, renewed ? newer : ADA)
    }
  },
)

t.test('a renewal with another role ends a stream that was decided on at run time', async t => {
  const stopped: string[] = []
  const subscription = { stop: (why: string) => stopped.push(why), say: () => stopped.push('renewed') }
  const granted = { assertHeldBy() {}, watch: () => () => {} }
  const renewed = (role: Principal['role'], decided: boolean) => {
    const admission = new Admission({
      principal: ADA,
      access: ['viewer'],
      granted: decided ? granted : undefined,
    })
    admission.onOpened(subscription)
    admission.renew({ ...LATER, role })
  }

  renewed('viewer', true)
  renewed('editor', true)
  renewed('viewer', false)

  t.strictSame(stopped, ['narrowed', 'renewed', 'renewed'])
})

t.test('endBy brings the end of an admission forward, but never moves it back', async t => {
  const admission = new Admission({ principal: ADA, access: ['viewer'] })

  admission.endBy(1_001)
  t.equal(admission.principal, ADA)
  admission.endBy(500)
  t.strictSame(admission.principal, { ...ADA, expiresAt: 500 })
})

t.test('an end is shown as a time, no end as null', async t => {
  t.equal(endAsText(ADA), '1970-01-01T00:00:01.000Z')
  t.equal(endAsText({ expiresAt: Number.POSITIVE_INFINITY }), null)
  t.equal(
    endAsText({ expiresAt: Number.MAX_SAFE_INTEGER * 1_000 }),
    null,
    'as a token may say, which no date can',
  )
})
