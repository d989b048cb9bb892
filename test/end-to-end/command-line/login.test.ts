import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { runCommand } from '../../harness/command.js'
import { ownFolder } from '../../harness/command-line.js'
import { publish, startGateway } from '../../harness/gateway.js'
import { freePort } from '../../harness/port.js'
import { startProgram } from '../../harness/process.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const MAIN = fileURLToPath(new URL('../../../server/main.js', import.meta.url))
const viewer = token({ role: 'viewer', workspace: 'acme', sub: 'ada' })
const TAIL = ['tail', '--last', '1', '--count', '1']

t.test('a login keeps the gateway and the credential, in a file for its owner only', async t => {
  const { url } = await startGateway(t)
  await publish({ url }, { type: 'door.opened', data: {} })
  const folder = await ownFolder(t)
  const file = join(folder, 'sluice/contexts.json')
  const run = (args: readonly string[], input = '', env = {}) =>
    runCommand(args, { XDG_CONFIG_HOME: folder, ...env }, input)
  const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)

  const refused = await run(['login', '--url', url, '--token-stdin'], 'nonsense')
  const none = await run(['context', 'list'])
  const login = await run(['login', '--url', `${url}/`, '--name', 'one', '--token-stdin'], `${viewer}\n`)
  await run(['login', '--url', url, '--name', 'two', '--token-stdin'], viewer)
  const modes = [await mode(join(folder, 'sluice')), await mode(file)]
  const tailed = await run(TAIL)
  await chmod(file, 0o644)
  await chmod(join(folder, 'sluice'), 0o755)
  const repaired = await run(['context', 'list'])
  const used = await run(['context', 'use', 'one'])
  const shown = await run(['context', 'show', '--json'])
  const unknown = await run(['context', 'use', 'three'])
  const removed = await run(['context', 'remove', 'two'])
  const left = JSON.parse(await readFile(file, 'utf8'))
  const out = await run(['logout'])
  const after = await run(TAIL, '', { SLUICE_URL: url })

  t.match(refused, {
    code: 3,
    out: '',
    told: /^The token is not valid: .* Send a whole token, .*\(401 token-invalid\)\n$/,
  })
  t.match(none, { code: 0, out: '', told: /^There is no context\. Make one with `sluice login`\.\n$/ })
  t.match(login, {
    code: 0,
    out: '',
    told: /as ada \(viewer of acme\)\. .*The context one is in use now\.\n$/,
  })
  t.strictSame(modes, ['700', '600'])
  t.match(tailed, { code: 0, out: / door\.opened \{\}\n$/ })
  t.match(
    repaired.told,
    /sluice could be used by others \(mode 755\); its mode is 700 now.*\n.*\(mode 644\); its mode is 600 now/,
  )
  t.strictSame([await mode(join(folder, 'sluice')), await mode(file)], ['700', '600'])
  t.match(repaired.out, /^ {3}one +http:\S+ +token\n\* {2}two +http:\S+ +token\n/m)
  t.match(used, { code: 0 })
  t.match(JSON.parse(shown.out), { name: 'one', url, current: true })
  t.notMatch(shown.out + repaired.out, viewer)
  t.match(unknown, { code: 2, told: /^There is no context three\. `sluice context list` shows all\./ })
  t.match(removed, { code: 0 })
  t.strictSame([left.current, Object.keys(left.contexts)], ['one', ['one']])
  t.match(out, { code: 0, told: /^The context one is removed\.\n$/ })
  t.match(after, {
    code: 2,
    told: /^There is no credential for http:\S+\. Log in with `sluice login --url http:\S+`, or set SLUICE_TOKEN/,
  })
})

t.test(
  'options count before the environment, and that before the context, whose credential goes nowhere else',
  async t => {
    const { url } = await startGateway(t)
    await publish({ url }, { type: 'door.opened', data: {} })
    const folder = await ownFolder(t)
    const seen: (string | undefined)[] = []
    const stranger = createServer((request, response) => {
      seen.push(request.headers.authorization)
      response.writeHead(404).end('hello')
    })
    await new Promise<void>(resolve => void stranger.listen(0, '127.0.0.1', resolve))
    t.teardown(() => stranger.close())
    const other = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`
    const dead = `http://127.0.0.1:${await freePort()}`
    const run = (args: readonly string[], env = {}, input = '') =>
      runCommand(args, { XDG_CONFIG_HOME: folder, ...env }, input)
    await run(['login', '--url', url, '--name', 'good', '--token-stdin'], {}, viewer)
    const list = ['item', 'list']

    const answers = {
      context: await run(list),
      elsewhere: await run([...list, '--url', other]),
      elsewhereByEnvironment: await run(list, { SLUICE_URL: other }),
      named: await run([...list, '--context', 'good'], { SLUICE_URL: other, SLUICE_TOKEN: 'nonsense' }),
      environment: await run(list, { SLUICE_TOKEN: 'nonsense' }),
      option: await run([...list, '--url', url], { SLUICE_URL: dead, SLUICE_TOKEN: viewer }),
      foreign: await run([...list, '--url', other], { SLUICE_TOKEN: 'secret' }),
      dead: await run(list, { SLUICE_URL: dead, SLUICE_TOKEN: viewer }),
      role: await run(['item', 'delete', 'A1']),
      wrongContext: await run(list, { SLUICE_CONTEXT: 'bad' }),
      wrongUrl: await run(list, { SLUICE_URL: 'ftp://x', SLUICE_TOKEN: 'x' }),
      wrongToken: await run(list, { SLUICE_TOKEN: 'two words' }),
      wrongFile: await run([...list, '--token-file', '/nonexistent']),
    }

    t.match(answers, {
      context: { code: 0, told: '' },
      elsewhere: { code: 2, told: /^There is no credential for http:/ },
      elsewhereByEnvironment: { code: 2, told: /^There is no credential for http:/ },
      named: { code: 0 },
      environment: { code: 3, told: /\(401 \S+\) The credential is from SLUICE_TOKEN: log in again/ },
      option: { code: 0 },
      foreign: {
        code: 3,
        told: /has answered with status 404, and not as a gateway of this version does\. Check --url/,
      },
      dead: {
        code: 4,
        told: /^No gateway answers at http:\S+ \(ECONNREFUSED\)\. Start it, or give its address/,
      },
      role: {
        code: 3,
        told: /editor.* \(403 role-too-low\) The credential is from the context good: use one that may/,
      },
      wrongContext: { code: 2, told: /^There is no context bad\./ },
      wrongUrl: { code: 2, told: /^SLUICE_URL must begin with http/ },
      wrongToken: { code: 2, told: /^SLUICE_TOKEN holds no token and no API key/ },
      wrongFile: { code: 2, told: /^--token-file: ENOENT/ },
    })
    t.strictSame(seen, ['Bearer secret'], 'the credential of the context was sent to nobody else')
  },
)

t.test('on a terminal it asks for the URL and the credential, which it does not show', async t => {
  const { url } = await startGateway(t)
  const folder = await ownFolder(t)
  const open = () => {
    const child = spawn('script', ['-qec', `'${process.execPath}' '${MAIN}' login`, '/dev/null'], {
      env: { PATH: process.env.PATH, TERM: 'xterm', XDG_CONFIG_HOME: folder },
    })
    t.teardown(() => child.kill('SIGKILL'))
    let text = ''
    child.stdout.setEncoding('utf8').on('data', read => (text += read))
    const ended = once(child, 'close')
    return {
      ended,
      shown: () => text,
      async answer(question: RegExp, answer: string) {
        await until(`it asks ${question}`, () => question.test(text))
        child.stdin.write(answer)
      },
    }
  }

  const login = open()
  await login.answer(/URL of the gateway \[http:\/\/127\.0\.0\.1:8080\]: /, `${url}\r`)
  await login.answer(/\(not shown\): /, `wrong\u0015${viewer}x\u007f\r`)
  const [code] = await login.ended
  const stopped = open()
  await stopped.answer(/URL of the gateway \[/, '\r')
  await stopped.answer(/\(not shown\): /, '\u0003')
  const [interrupted] = await stopped.ended

  t.equal(code, 0, login.shown())
  t.match(login.shown(), /Logged in to http:\S+ as ada \(viewer of acme\)/)
  t.notMatch(login.shown(), 'eyJ')
  t.equal(interrupted, 130)
})

t.test('logins at the same time all stay, also beside the lock of a process that was killed', async t => {
  const { url } = await startGateway(t)
  const folder = await ownFolder(t)
  const env = { XDG_CONFIG_HOME: folder }
  const login = (name: string) =>
    runCommand(['login', '--url', url, '--name', name, '--token-stdin'], env, viewer)
  const names = ['one', 'two', 'three', 'four', 'five']
  await mkdir(join(folder, 'sluice'), { mode: 0o700 })
  const lock = join(folder, 'sluice/contexts.json.lock')
  await writeFile(lock, '')
  await utimes(lock, 0, 0)

  const logins = await Promise.all(names.map(login))
  const file = await readFile(join(folder, 'sluice/contexts.json'), 'utf8')

  t.strictSame(
    logins.map(({ code }) => code),
    names.map(() => 0),
  )
  t.strictSame(Object.keys(JSON.parse(file).contexts).sort(), [...names].sort())
  t.strictSame(await readdir(join(folder, 'sluice')), ['contexts.json'])
})

t.test('a file of contexts that cannot be used says why, and what to do', async t => {
  const folder = await ownFolder(t)
  const path = join(folder, 'sluice/contexts.json')
  await mkdir(join(folder, 'sluice'), { mode: 0o700 })
  const list = async (text: string) => {
    await writeFile(path, text, { mode: 0o600 })
    return await runCommand(['context', 'list'], { XDG_CONFIG_HOME: folder })
  }

  const newer = await list('{"version":2,"contexts":{}}')
  const cut = await list('{"version":1,"contexts":{"prod":{"url":"http')
  const nowhere = await runCommand(
    ['login', '--url', (await startGateway(t)).url, '--token-stdin'],
    { XDG_CONFIG_HOME: '/sys' },
    viewer,
  )

  t.match(newer, {
    code: 1,
    told: /is from a newer version of sluice\. Update this one, or set XDG_CONFIG_HOME/,
  })
  t.match(cut, { code: 1, told: /it holds no contexts, or only a part of them\. Mend it, or remove it/ })
  t.match(nowhere, {
    code: 1,
    told: /^Cannot write \/sys\/sluice\/contexts\.json: E.*Set XDG_CONFIG_HOME to a folder that you may/,
  })
})

t.test('a certificate that nobody knows is named, with what to do, and a tail says it too', async t => {
  const folder = await ownFolder(t)
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const made = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    key,
    '-out',
    cert,
    '-subj',
    '/CN=x',
  ]
  await once(spawn('openssl', made), 'close')
  const server = createSecureServer({ key: await readFile(key), cert: await readFile(cert) })
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const env = {
    SLUICE_URL: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    SLUICE_TOKEN: viewer,
  }

  const list = await runCommand(['item', 'list'], env)
  const tail = startProgram(t, { args: ['tail'], env })
  const publishing = startProgram(t, { args: ['publish', 'door.opened'], env })

  t.match(list, { code: 4, told: /CERT\)\. Its certificate is not trusted: set NODE_EXTRA_CA_CERTS/ })
  await tail.until(/^There is no connection \(\S+CERT\)\. Trying again: \S+ Its certificate is not trusted/m)
  await publishing.until(/^No answer yet from https:\S+ \(\S+CERT\); trying again\. Its certificate/m)
})

t.test('without a terminal it says what to give instead', async t => {
  const answer = await runCommand(['login'], { XDG_CONFIG_HOME: await ownFolder(t) })
  const unusable = await runCommand(['login', '--url', 'http://127.0.0.1:1', '--name', '-x'], {})

  t.match(answer, { code: 2, told: /^There is no terminal to ask at\. Give --url and --token-stdin\./ })
  t.match(unusable, { code: 2, told: /^--name must be the name of a context/ })
})
