/** How clients/typescript shares a connection among tabs, without a browser: what a tab may hold, and what it gets twice. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import t, { type Test } from 'tap'
import { Membership } from '../../../../clients/typescript/src/browser/tabs/membership.js'
import type { Frame, ToHost, ToTab } from '../../../../clients/typescript/src/browser/tabs/messages.js'
import { Pages } from '../../../../clients/typescript/src/browser/tabs/pages.js'
import { Member } from '../../../../clients/typescript/src/browser/tabs/shared-feed.js'
import { sharedFrames } from '../../../../clients/typescript/src/browser/tabs/shared-frames.js'
import { packageRoot } from '../../../../src/process/package-root.js'
import { within } from '../../../harness/patience.js'

interface HostLink {
  post(message: ToHost): void
  listener: ((message: ToTab) => void) | undefined
  close(): void
}

const frame = (n: number, data = '{}'): Frame => ({ isEvent: true, id: `${n}.a`, event: 'n', data })
const MEGABYTE = 'x'.repeat(1024 * 1024)

t.test('a tab holds at most 256 frames and 1 MiB unconsumed, or one larger frame', async t => {
  const many = new Member(1, () => {})
  const sent = Array.from({ length: 257 }, (_, n) => many.send(frame(n)))
  many.consumed(1)
  const large = new Member(2, () => {})

  t.equal(sent.indexOf(false), 256)
  t.equal(many.send(frame(257)), true, 'a frame that was consumed makes room for one')
  t.equal(many.send(frame(258)), false)
  t.equal(large.send(frame(1, `${MEGABYTE}x`)), true)
  t.equal(large.send(frame(2)), false)
  large.consumed(1)
  t.equal(large.send(frame(2, MEGABYTE)), true)
  t.equal(large.send(frame(3, 'x')), false)
})

t.test('a tab gets each event once, whether it is behind the shared connection or ahead of it', async t => {
  const pages = await startLog(t, 9)
  const received = async (place: number, host: number, frames: readonly number[]) => {
    const membership = new Membership({}, { consumed: () => {}, leave: () => {} })
    for (const n of frames) membership.take({ kind: 'frame', feed: 1, frame: frame(n) })
    membership.take({ kind: 'ended', feed: 1 })
    const admitted = { head: `${host}.a`, mode: 'normal' }
    const texts = await sharedFrames(membership, pages, admitted, { by: 'after', value: `${place}.a` })
    let text = ''
    for await (const part of texts) text += part
    return [...text.matchAll(/^id: (\d+)\.a\nevent: n\n/gm)].map(([, n]) => Number(n))
  }

  t.strictSame(await received(3, 6, [7, 8, 9, 10, 11]), [4, 5, 6, 7, 8, 9, 10, 11], 'behind')
  t.strictSame(await received(8, 6, [7, 8, 9, 10]), [9, 10], 'ahead')
  t.strictSame(await received(6, 6, [7, 8]), [7, 8], 'at the same place')
})

t.test('a tab that comes back to a host ignores what the host has sent to its earlier request', async t => {
  const { TabSession } = await bundled('tab-session.ts')
  t.teardown(() => Reflect.deleteProperty(globalThis, 'addEventListener'))
  Object.assign(globalThis, { addEventListener: () => {} })
  const sent: ToHost[] = []
  let use: (link: HostLink) => void = () => {}
  const finder = { start: (onLink: typeof use) => (use = onLink), lost: () => {}, close: () => {} }
  const session = new TabSession(finder, {}, {}, 60_000)
  const toHost = () => ({
    post: (message: ToHost) => sent.push(message),
    listener: undefined,
    close: () => {},
  })
  const membership: Membership = session.join({})
  use(toHost())
  const link: HostLink = toHost()
  use(link)
  const [first = 0, left, second = 0] = sent.map(message => ('feed' in message ? message.feed : undefined))

  link.listener?.({ kind: 'joined', feed: first, id: '6.a', mode: 'normal' })
  link.listener?.({ kind: 'frame', feed: first, frame: frame(7) })
  link.listener?.({ kind: 'joined', feed: second, id: '7.a', mode: 'normal' })
  link.listener?.({ kind: 'frame', feed: second, frame: frame(8) })
  session.close()
  link.listener?.({ kind: 'ended', feed: second })

  t.match(await membership.admission, { id: '7.a' })
  t.equal(left, first, 'it leaves what it has asked for')
  const frames: string[] = []
  for await (const { id } of membership.frames()) frames.push(id)
  t.strictSame(frames, ['8.a'])
})

t.test('a stream that is aborted while it opens fails with the reason, at whichever step', async t => {
  const { tabFetch } = await bundled('tab-fetch.ts')
  Object.assign(globalThis, { location: { href: 'http://127.0.0.1/' } })
  t.teardown(() => Reflect.deleteProperty(globalThis, 'location'))
  const events = 'http://127.0.0.1/api/events'
  for (let steps = 1; steps <= 30; steps++) {
    const membership = new Membership({}, { consumed: () => {}, leave: () => {} })
    const leaving = new AbortController()
    const fetching: typeof fetch = tabFetch({ join: () => membership }, events)
    const reading = fetching(events, {
      headers: { accept: 'text/event-stream' },
      signal: leaving.signal,
    }).then(response => response.text())
    membership.take({ kind: 'joined', feed: 0, id: '6.a', mode: 'normal' })
    void afterMicrotasks(steps).then(() => leaving.abort(new Error('left')))

    await t.rejects(
      within(1_000, reading, () => 'The stream goes on.'),
      { message: 'left' },
      `after ${steps} steps`,
    )
  }
})

async function afterMicrotasks(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await undefined
}

t.test('only tabs with the same version of the package share', async t => {
  const client = join(packageRoot, 'clients/typescript')
  const { version } = JSON.parse(await readFile(join(client, 'package.json'), 'utf8')) as { version: string }

  t.match(await readFile(join(client, 'src/browser/tabs/tabs.ts'), 'utf8'), `const VERSION = '${version}'\n`)
})

/** A module of the tabs that needs a browser's types. */
async function bundled(file: string) {
  const { outputFiles } = await build({
    entryPoints: [join(packageRoot, 'clients/typescript/src/browser/tabs', file)],
    bundle: true,
    write: false,
    format: 'esm',
  })
  return await import(`data:text/javascript,${encodeURIComponent(outputFiles[0]?.text ?? '')}`)
}

/** A gateway's log with the events 1 to `head`. */
async function startLog(t: Test, head: number): Promise<Pages> {
  const server = createServer(({ url }, response) => {
    const after = Number.parseInt(new URL(`http://x${url}`).searchParams.get('after') ?? '', 10)
    const events = Array.from({ length: head - after }, (_, n) => ({
      id: `${after + n + 1}.a`,
      type: 'n',
      data: {},
    }))
    response.end(JSON.stringify({ events, next: `${head}.a`, head: `${head}.a` }))
  })
  t.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return new Pages(`http://127.0.0.1:${port}/api/events`, {}, { headers: {} })
}
