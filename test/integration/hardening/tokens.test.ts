/**
 * Forged and twisted tokens, against a gateway for each kind of key. Each is sent as a header and in the URL of a
 * stream, and must be a 401 with a code: a pass is a break-in, a 500 tells the attacker that something gave way.
 */
import { createHmac, createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { startGateway } from '../../harness/gateway.js'
import { bearer, secondsFromNow } from '../../harness/tokens.js'
import { fineClaims, type Issuer, inputOf, issued, issuers, type Parts, serve } from './issuers.js'

interface Attack {
  readonly name: string
  /** What the attacker tries, and what would happen if it worked. */
  readonly attack: string
  readonly token: (issuer: Issuer, evilUrl: string) => string
  /** The kinds of keys where it makes sense; default: all. */
  readonly only?: (issuer: Issuer) => boolean
}

const evil = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ADMIN = { role: 'admin' }
const isPublic = ({ publicKey }: Issuer) => publicKey !== undefined
const isEc = ({ name }: Issuer) => name === 'EC'

const FORGED: readonly Attack[] = [
  ...['none', 'nOnE', 'None', 'NONE', '', ' none', 'none\u0000'].map(alg =>
    forged(`alg ${JSON.stringify(alg)}`, 'A token that says that it is not signed: anybody would be admin.', {
      header: { alg },
      claims: ADMIN,
    }),
  ),
  forged('no alg', 'Nothing says how it is signed; a default of "not at all" would let it in.', {
    headerText: '{"typ":"JWT"}',
    claims: ADMIN,
  }),
  forged('alg null', 'As before, for a reader who takes null for none.', {
    headerText: '{"alg":null}',
    claims: ADMIN,
  }),
  forged('alg __proto__', 'The algorithm is looked up in an object, and found in its prototype.', {
    header: { alg: '__proto__' },
    claims: ADMIN,
  }),
  {
    name: 'alg none with a signature',
    attack:
      'A signature is there, so that "is it signed?" says yes, and the algorithm says not to look at it.',
    token: issuer => `${inputOf(issuer, { header: { alg: 'none' }, claims: ADMIN })}.AAAA`,
  },
  {
    name: 'the signature stripped',
    attack: 'The admin role is written in and the signature left out; a reader checks only what is there.',
    token: issuer => `${inputOf(issuer, { claims: ADMIN })}.`,
  },
  {
    name: 'the signature of another token',
    attack: 'The attacker keeps the signature of a viewer’s token and writes admin into the claims.',
    token: issuer => `${inputOf(issuer, { claims: ADMIN })}.${issued(issuer).split('.')[2]}`,
  },
  {
    name: 'a signature of zeros',
    attack: 'r = s = 0 satisfies a careless ECDSA check for every text (CVE-2022-21449).',
    token: issuer => `${inputOf(issuer, { claims: ADMIN })}.${zeros(issuer.sign('').length)}`,
  },
  {
    name: 'r = s = 0 in DER',
    attack: 'The same in the other encoding, for a library that takes both.',
    token: issuer => withSignature(issuer, Buffer.from('3006020100020100', 'hex')),
    only: isEc,
  },
  {
    name: 'r = s = n',
    attack: 'The order of the curve is zero modulo itself: what refuses zero may miss it.',
    token: issuer => {
      const order = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'
      return withSignature(issuer, Buffer.from(order + order, 'hex'))
    },
    only: isEc,
  },
  ...publicKeyTexts().map(({ name, text }) => ({
    name: `HS256 with the public key as ${name}`,
    attack: 'Everybody knows the public key; taken as the secret of an HMAC it would sign for everybody.',
    token: (issuer: Issuer) => hmac(issuer, text(issuer.publicKey as KeyObject)),
    only: isPublic,
  })),
  ...['', 'null', 'undefined', 'secret', '\0'].map(secret => ({
    name: `HS256 with the secret ${JSON.stringify(secret)}`,
    attack: 'A key that could not be found turned into an empty or well-known one.',
    token: (issuer: Issuer) => hmac(issuer, secret),
  })),
  ...(
    [
      ['a path', '../../../../dev/null'],
      ['SQL', "k-1' union select 'secret' --"],
      ['a URL', 'http://169.254.169.254/latest/keys.json'],
      ['a command', '|| sleep 9'],
      ['a list', ['k-1']],
      ['an object', { $ne: '' }],
      ['very long', 'k'.repeat(6_000)],
      ['inherited', '__proto__'],
      ['null', null],
    ] as const
  ).map(([name, kid]) => ({
    name: `kid ${name}`,
    attack: 'The id of the key chooses a key that the attacker knows: a file of nothing, a row of their own.',
    token: (issuer: Issuer) => hmac(issuer, '', { kid }),
  })),
  ...(['jku', 'x5u', 'x5c', 'jwk'] as const).map(member => ({
    name: `a key in ${member}`,
    attack: 'The token brings its own key, or says where to fetch it: signed rightly, by the attacker.',
    token: (_: Issuer, evilUrl: string) => withOwnKey(member, evilUrl),
  })),
]

const TWISTED: readonly Attack[] = [
  ...(['logout+jwt', 'secevent+jwt', 'dpop+jwt', 'JOSE', 7, ['JWT'], null] as const).map(typ =>
    twisted(
      `typ ${JSON.stringify(typ)}`,
      'A token that the issuer made for another use is shown here (RFC 8725 §2.8).',
      { header: { typ } },
    ),
  ),
  twisted('cty JWT', 'It says that it holds another token, and holds claims: two readers, two meanings.', {
    header: { cty: 'JWT' },
  }),
  {
    name: 'nested',
    attack:
      'A token inside a token: a verifier that unpacks until claims appear checks only the outer signature.',
    token: issuer =>
      issued(issuer, { header: { cty: 'JWT' }, claimsText: `"${inputOf(issuer, { claims: ADMIN })}."` }),
  },
  {
    name: 'encrypted',
    attack: 'Five parts, encrypted with the public key: "it could be decrypted" is taken for "it is signed".',
    token: issuer => `${issued(issuer, { header: { alg: 'RSA-OAEP', enc: 'A128GCM' } })}.AAAA.AAAA`,
  },
  twisted('crit unknown', 'It demands that a verifier which does not know the extension refuses it.', {
    header: { crit: ['exp-ms'], 'exp-ms': 1 },
  }),
  twisted('crit empty', 'A list that must not be empty, for a loop that never runs.', {
    header: { crit: [] },
  }),
  twisted('crit no list', 'A text has a length and elements too.', { header: { crit: 'b64' } }),
  twisted('b64 false', 'The payload is said not to be encoded: signed is one text, read another.', {
    header: { b64: false },
  }),
  twisted('b64 false, critical', 'The same, as RFC 7797 wants it.', {
    header: { b64: false, crit: ['b64'] },
  }),
  twisted('zip', 'A compressed payload: a few bytes unpack to gigabytes.', { header: { zip: 'DEF' } }),
  twisted('iss foreign', 'Somebody else’s token, from an issuer that has the same key.', {
    claims: { iss: 'https://evil.example' },
  }),
  twisted('iss a list', 'One of several issuers is the right one, the token is the other’s.', {
    claims: { iss: ['https://id.example', 'https://evil.example'] },
  }),
  twisted('iss with a tail', 'What only compares beginnings lets id.example.evil.example in.', {
    claims: { iss: 'https://id.example.evil.example' },
  }),
  twisted('aud foreign', 'A token for another service of the same issuer is replayed here.', {
    claims: { aud: 'billing' },
  }),
  twisted('aud an object', 'Something whose text is the audience.', { claims: { aud: { sluice: true } } }),
  ...(
    [
      ['missing', undefined],
      ['a fraction', secondsFromNow(60) + 0.5],
      ['text', `${secondsFromNow(60)}`],
      ['1e300', 1e300],
      ['past the safe integers', 2 ** 60],
      ['negative', -1],
      ['zero', 0],
      ['null', null],
      ['true', true],
      ['a list', [secondsFromNow(60)]],
      ['an object', { valueOf: secondsFromNow(60) }],
    ] as const
  ).map(([name, exp]) =>
    twisted(`exp ${name}`, 'A token that never ends: nobody could take it back by waiting.', {
      claims: { exp },
    }),
  ),
  ...['NaN', 'Infinity', '1e999', '-1e999'].map(exp =>
    twisted(`exp ${exp}`, 'Every comparison with NaN is false, also "it is over"; Infinity never is.', {
      claimsText: JSON.stringify(fineClaims({ exp: '#' })).replace('"#"', exp),
    }),
  ),
  twisted('nbf in the future', 'A token that is not valid yet, such as the next employee’s.', {
    claims: { nbf: secondsFromNow(3_600) },
  }),
  twisted('role twice', 'The issuer’s reader takes the first, ours the last.', {
    claimsText: JSON.stringify(fineClaims()).replace('}', ',"role":"admin"}'),
  }),
  twisted('role twice, once escaped', 'The same for a parser that compares raw bytes.', {
    claimsText: JSON.stringify(fineClaims()).replace('}', ',"r\\u006fle":"admin"}'),
  }),
  {
    name: 'alg twice',
    attack: 'A filter in front reads the first algorithm, the gateway the last.',
    token: issuer => issued(issuer, { headerText: `{"alg":"none","alg":"${issuer.algorithm}","kid":"k-1"}` }),
  },
  twisted('claims in __proto__', 'A copy of the claims inherits what its __proto__ says.', {
    claimsText: JSON.stringify(fineClaims({ role: undefined })).replace(
      '}',
      ',"__proto__":{"role":"admin"}}',
    ),
  }),
  ...[
    'аdmin',
    'admin\u200b',
    'ａｄｍｉｎ',
    'ADMIN',
    ' admin',
    'admin ',
    'viewer,admin',
    '__proto__',
    'constructor',
    'toString',
    '',
    0,
    3,
    true,
    [['admin']],
    ['Admin'],
    { admin: true },
    null,
  ].map(role =>
    twisted(`role ${JSON.stringify(role)}`, 'Looks like admin to a person, or to a careless comparison.', {
      claims: { role },
    }),
  ),
  ...[
    '',
    '$system',
    '*',
    'acme/../globex',
    'acme\u0000',
    'acme\n',
    'аcme',
    ['acme'],
    { toString: 'acme' },
    null,
    'w'.repeat(2_000),
  ].map(workspace =>
    twisted(
      `workspace ${JSON.stringify(workspace).slice(0, 30)}`,
      'A workspace that is all, none, the system’s own, or another one after normalising.',
      { claims: { workspace } },
    ),
  ),
  ...['ada\r\n{"level":30}', 'ada\u0000', '\u001b[2J', '', 'a'.repeat(300), 7, ['ada'], null].map(sub =>
    twisted(`sub ${JSON.stringify(sub).slice(0, 30)}`, 'A name that forges log lines or ends texts early.', {
      claims: { sub },
    }),
  ),
  ...(
    [
      ['four parts', token => `${token}.AAAA`],
      ['a leading dot', token => `.${token}`],
      ['padding', token => `${token}=`],
      ['white space at the end', token => `${token} `],
      ['a line end inside', token => token.replace('.', '.\n')],
      ['a blank inside', token => token.replace('.', '. ')],
      ['NUL at the end', token => `${token}\0`],
      ['another alphabet', token => `${token.slice(0, -4)}+/+/`],
      ['loose last bits', withLooseBits],
      ['a byte order mark', token => `\ufeff${token}`],
    ] as [string, (token: string) => string][]
  ).map(([name, change]) => ({
    name,
    attack: 'Another spelling of a good token, which lists of revoked or used ones would not know.',
    token: (issuer: Issuer) => change(issued(issuer)),
    // A signature of 64 bytes fills its characters but for two bits, and one of 256 too: those of 48 would not.
  })),
  {
    name: 'a byte order mark in the claims',
    attack: 'One reader skips it, the other does not.',
    token: issuer => issued(issuer, { claimsText: `\ufeff${JSON.stringify(fineClaims())}` }),
  },
  {
    name: 'a subject in Latin-1',
    attack: 'Read with U+FFFD, all subjects that differ in such bytes are one.',
    token: issuer =>
      issued(issuer, { claimsText: Buffer.from(JSON.stringify(fineClaims({ sub: 'M\xfcller' })), 'latin1') }),
  },
  {
    name: 'claims that are a list',
    attack: 'A list has properties too, and no claims that anybody has checked.',
    token: issuer => issued(issuer, { claimsText: `[${JSON.stringify(fineClaims())}]` }),
  },
]

t.test('no forged or malformed token is accepted, with any kind of key', async t => {
  const evilServer = await serve(t, JSON.stringify({ keys: [ownJwk()] }))
  const { url: databaseUrl } = await createDatabase(t)

  for (const issuer of await issuers(t)) {
    const { url } = await startGateway(t, { databaseUrl, env: issuer.env })
    const good = issued(issuer)
    t.equal((await ask(url, { headers: bearer(good) })).status, 200, `${issuer.name}: a good one passes`)

    for (const { name, attack, token, only } of [...FORGED, ...TWISTED]) {
      if (only && !only(issuer)) continue
      const bad = token(issuer, evilServer.url)
      const answers = [await ask(url, { query: `?token=${encodeURIComponent(bad)}` })]
      if (isHeaderValue(bad)) answers.push(await ask(url, { headers: bearer(bad) }))
      for (const answer of answers) {
        const isRefused = answer.status === 401 && /^token-(invalid|expired)$/.test(answer.code)
        if (!isRefused) t.fail(`${issuer.name}: ${name}. ${attack}`, { answer, bad })
      }
    }

    t.equal((await ask(url, { headers: bearer(good) })).status, 200, `${issuer.name}: and still does`)
  }
  t.strictSame(evilServer.requests, [], 'nobody has asked the attacker for keys')
  t.ok(FORGED.length + TWISTED.length >= 100, `${FORGED.length + TWISTED.length} tokens`)
})

// Attack: a megabyte of token, to be decoded, hashed and remembered for each request.
t.test('a megabyte of token is cut off while it arrives', async t => {
  const { url } = await startGateway(t)
  const huge = `e30.${'A'.repeat(1_000_000)}.AAAA`

  const answers = await Promise.allSettled([
    ask(url, { headers: bearer(huge) }),
    ask(url, { query: `?token=${huge}` }),
  ])

  for (const answer of answers) {
    // A server that stops reading may break the connection before its answer is read.
    if (answer.status === 'fulfilled')
      t.ok([414, 431].includes(answer.value.status), `${answer.value.status}`)
  }
  t.equal((await fetch(`${url}/health`)).status, 200)
})

function forged(name: string, attack: string, parts: Parts): Attack {
  return { name, attack, token: issuer => `${inputOf(issuer, parts)}.` }
}

/** Rightly signed, so that only what is wrong with it can be the reason to refuse it. */
function twisted(name: string, attack: string, parts: Parts): Attack {
  return { name, attack, token: issuer => issued(issuer, parts) }
}

function hmac(issuer: Issuer, secret: string | Buffer, header: object = {}): string {
  const input = inputOf(issuer, { header: { alg: 'HS256', ...header }, claims: ADMIN })
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

function publicKeyTexts(): { name: string; text: (key: KeyObject) => string | Buffer }[] {
  const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString()
  return [
    { name: 'PEM', text: pem },
    { name: 'PEM without its last line end', text: key => pem(key).trimEnd() },
    { name: 'PEM with CRLF', text: key => pem(key).replaceAll('\n', '\r\n') },
    { name: 'PEM in one line', text: key => pem(key).replaceAll('\n', '\\n') },
    { name: 'DER', text: key => key.export({ type: 'spki', format: 'der' }) },
    { name: 'Base64 of DER', text: key => key.export({ type: 'spki', format: 'der' }).toString('base64') },
    { name: 'JWK', text: key => JSON.stringify(key.export({ format: 'jwk' })) },
  ]
}

function withOwnKey(member: 'jku' | 'x5u' | 'x5c' | 'jwk', evilUrl: string): string {
  const value = { jku: `${evilUrl}/jku`, x5u: `${evilUrl}/x5u`, x5c: ['MIIB'], jwk: ownJwk() }[member]
  const header = Buffer.from(JSON.stringify({ alg: 'RS256', typ: 'JWT', kid: 'evil', [member]: value }))
  const claims = Buffer.from(JSON.stringify(fineClaims(ADMIN)))
  const input = `${header.toString('base64url')}.${claims.toString('base64url')}`
  return `${input}.${sign('sha256', Buffer.from(input), createPrivateKey(pemOf(evil.privateKey))).toString('base64url')}`
}

function ownJwk(): object {
  return { ...evil.publicKey.export({ format: 'jwk' }), kid: 'evil', use: 'sig' }
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function withSignature(issuer: Issuer, signature: Buffer): string {
  return `${inputOf(issuer, { claims: ADMIN })}.${signature.toString('base64url')}`
}

function zeros(length: number): string {
  return Buffer.alloc(length).toString('base64url')
}

/** The same bytes, written with other bits where the last character has more than it needs. */
function withLooseBits(token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(token.slice(-1))
  return `${token.slice(0, -1)}${alphabet[last ^ 1]}`
}

function isHeaderValue(token: string): boolean {
  return /^[\x21-\x7e]+$/.test(token)
}

async function ask(
  url: string,
  { headers = {}, query = '' }: { headers?: Record<string, string>; query?: string },
) {
  const response = await fetch(`${url}/api/events${query}`, {
    headers: { accept: 'application/json', ...headers },
  })
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json')
  const document: unknown = isProblem ? await response.json() : await response.text()
  return { status: response.status, code: isProblem ? String(Object(document).code) : '' }
}
