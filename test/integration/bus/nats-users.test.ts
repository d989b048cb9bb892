/** The ways in which a gateway proves to a real nats-server who it is, beside a user with a password. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nkeys } from '@nats-io/transport-node'
import t from 'tap'
import { NatsBroker } from '../../../src/bus/nats-broker.js'
import { startBroker, withoutBroker } from '../../harness/broker-server.js'

const skip = withoutBroker('nats')
const CHANNEL = 'sluice.test'
const NO_EVENTS = { onMessage() {}, onLost() {} }

type KeyPair = ReturnType<typeof nkeys.createOperator>

t.test('a token in the URL', { skip }, async t => {
  const { url } = await startBroker(t, 'nats', 'authorization { token: a-token }')

  await t.resolves(reach(url.replace('://', '://a-token@')))
  await t.rejects(reach(url.replace('://', '://another@')), { name: 'AuthorizationError' })
  await t.rejects(reach(url), { name: 'AuthorizationError' })
})

t.test('the first of several servers that answers, with the user of any of them', { skip }, async t => {
  const { url } = await startBroker(t, 'nats', 'authorization { user: gateway, password: "p@ss/w%rd" }')
  const user = `gateway:${encodeURIComponent('p@ss/w%rd')}@`

  await t.resolves(reach(`nats://${user}127.0.0.1:1, ${url}`))
  await t.resolves(reach(`${url},${url.replace('://', `://${user}`)}`))
})

t.test('the credentials of a decentralized user, read anew at each connection', { skip }, async t => {
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()]
  const limits = { subs: -1, data: -1, payload: -1 }
  const accountLimits = { ...limits, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }
  const ofOperator = sign(operator, operator, { type: 'operator', version: 2 })
  const ofAccount = sign(operator, account, { type: 'account', version: 2, limits: accountLimits })
  const allow = { allow: ['sluice.>'] }
  const ofUser = sign(account, user, { type: 'user', version: 2, ...limits, pub: allow, sub: allow })
  const preload = `{ ${account.getPublicKey()}: ${ofAccount} }`
  const { url, folder } = await startBroker(
    t,
    'nats',
    `operator: ${ofOperator}\nresolver: MEMORY\nresolver_preload: ${preload}`,
  )
  const credsFile = join(folder, 'gateway.creds')

  await t.rejects(reach(url, credsFile), { code: 'ENOENT' })
  await writeFile(credsFile, credentials(ofUser, nkeys.createUser()))
  await t.rejects(reach(url, credsFile), { name: 'AuthorizationError' })
  await writeFile(credsFile, credentials(ofUser, user))
  await t.resolves(reach(url, credsFile))
})

async function reach(url: string, credsFile?: string): Promise<void> {
  const broker = new NatsBroker({ url, credsFile })
  const connection = await broker.connect(CHANNEL, NO_EVENTS, new AbortController().signal)
  await connection.publish([Buffer.from('hello')])
  await connection.close()
}

/** A JWT as NATS signs it (nats.io, JWT authentication): by Ed25519, with the public keys as names. */
function sign(issuer: KeyPair, subject: KeyPair, claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const payload = {
    jti: 'any',
    iat: Math.floor(Date.now() / 1_000),
    iss: issuer.getPublicKey(),
    name: 'any',
    sub: subject.getPublicKey(),
    nats: claims,
  }
  const text = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part(payload)}`
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`
}

/** The file that `nsc` writes. */
function credentials(jwt: string, user: KeyPair): string {
  const seed = Buffer.from(user.getSeed()).toString()
  return `-----BEGIN NATS USER JWT-----
${jwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`
}
