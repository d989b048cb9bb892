/**
 * The panel of examples/desktop, as its user sees it: under Xvfb, with clicks, while the gateway is killed and the program is killed.
 * Its diary says what it shows.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { formatEventId } from '../../../src/log/event-id.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { createDatabase } from '../../harness/database.js'
import { within } from '../../harness/patience.js'
import { type GatewayProcess, startProcess } from '../../harness/process.js'
import { findProgram } from '../../harness/program.js'
import { temporaryFolder } from '../../harness/server.js'
import { bearer, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'
import { pythonEnvironment } from '../clients/python/environment.js'

const PATIENCE_MS = 60_000
/** Debian's Tk belongs to Debian's Python. */
const interpreter = ['python3', '/usr/bin/python3'].find(
  name => spawnSync(name, ['-c', 'import ensurepip, tkinter, venv']).status === 0,
)
const lacking = ['Xvfb', 'xdotool'].find(name => findProgram([name]) === undefined)
const skip =
  interpreter === undefined
    ? 'Tk for Python is missing (apt-get install python3-tk python3-venv)'
    : lacking !== undefined && `${lacking} is missing (apt-get install xvfb xdotool)`

interface Line {
  readonly shown?: string
  readonly text?: string
  readonly connection?: string
  readonly unseen?: number
  readonly details?: string
  readonly revisions?: number
  readonly actor?: string
  readonly title?: string
  readonly filter?: string
  readonly rows?: number
  readonly at?: readonly [number, number]
}

t.test(
  'the panel shows every change once, whatever is killed, and opens the item of a change',
  { skip },
  async t => {
    const { url: databaseUrl, pool } = await createDatabase(t)
    let gateway = await startProcess(t, { databaseUrl })
    const restart = async () => {
      gateway = await startProcess(t, { databaseUrl, port: gateway.port })
    }
    const { python } = await pythonEnvironment('desktop', interpreter)
    const display = await startDisplay(t)
    const folder = await temporaryFolder()
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    await writeFile(join(folder, 'token'), token({ sub: 'ada', role: 'editor' }))
    const open = (diary: string, geometry = '880x640+0+0') =>
      Panel.open(t, { python, display, folder, diary, geometry, url: gateway.url })
    await createItem(gateway, 'A01-0001')
    let panel = await open('first')

    // The changes of before, and new ones.
    t.strictSame(await panel.shows(await ids(pool)), await ids(pool), 'the changes of before')
    await panel.says('Live', ({ connection }) => connection === 'Live')
    await createItem(gateway, 'A01-0002')
    await release(gateway, 'A01-0002', 'Edge moved')
    t.strictSame(await panel.shows(await ids(pool)), await ids(pool), 'new changes')
    await panel.says('who released it', ({ actor }) => actor === 'ada')
    await panel.says('three unseen changes', ({ unseen }) => unseen === 3)
    await panel.says('them in its title', ({ title }) => title === '(3) Database Activity')

    // A click opens the item.
    await panel.click('revision 2 released: Edge moved')
    await panel.says('the revisions', ({ details, revisions }) => details === 'A01-0002' && revisions === 2)
    await panel.says('two unseen changes', ({ unseen }) => unseen === 2)

    // The filter, by mouse and keyboard, and the button for all.
    await panel.click('filter')
    await panel.press('Down', 'Return')
    await panel.says('only the items', ({ filter, rows }) => filter === 'Items' && rows === 3)
    await panel.click('filter')
    await panel.press('Up', 'Return')
    await panel.says('all changes', ({ filter, rows }) => filter === 'All changes' && rows === 4)
    await panel.click('Mark all as seen')
    await panel.says('no unseen change', ({ unseen, title }) => unseen === 0 && title === 'Database Activity')

    // The gateway is killed, and comes back.
    await gateway.kill()
    await panel.says('that it waits', ({ connection }) => /^(Reconnecting|Offline)/.test(connection ?? ''))
    await publish(pool, 30)
    await restart()
    t.strictSame(
      await panel.shows(await ids(pool)),
      await ids(pool),
      'the changes of the time without a gateway',
    )

    // The program is killed in the middle of changes, and started again.
    const publishing = publish(pool, 200)
    const before = panel.shown().length
    await panel.says('more changes', () => panel.shown().length > before + 20)
    await panel.kill()
    await publishing
    panel = await open('second')
    t.strictSame(
      await panel.shows(await ids(pool)),
      await ids(pool),
      'every change once, after the program was killed',
    )

    // Events are lost while it is off: it says so, and goes on.
    await panel.kill()
    await publish(pool, 20)
    await pool.query(`select sluice.configure_stream('acme', 'feed', '{"max_events":5}')`)
    await gateway.stop()
    await restart()
    await until('retention has removed events', async () => (await ids(pool)).length === 5, PATIENCE_MS)
    panel = await open('third')
    await panel.says(
      'what is missing',
      ({ text }) => text?.startsWith('Changes are missing here (retention)') === true,
    )
    await createItem(gateway, 'A01-0003')
    await panel.says('the next change', ({ text }) => text === 'created: Part A01-0003')

    // A refusal says why, and the panel goes on with another token.
    await panel.kill()
    await writeFile(join(folder, 'token'), 'nonsense')
    // A narrow window: the reason must not push the button out of it.
    panel = await open('fourth', '480x640+0+0')
    await panel.says('that it is refused', ({ connection }) => /^Refused: ./.test(connection ?? ''))
    await writeFile(join(folder, 'token'), token({ sub: 'ada', role: 'editor' }))
    await panel.click('Connect now')
    await panel.says('Live', ({ connection }) => connection === 'Live')
  },
)

/** The program, and the lines of its diary. */
class Panel {
  #lines: Line[] = []

  private constructor(
    private readonly child: ChildProcess,
    private readonly display: string,
    private readonly diary: string,
  ) {}

  static async open(
    t: Test,
    at: { python: string; display: string; folder: string; diary: string; geometry: string; url: string },
  ): Promise<Panel> {
    const diary = join(at.folder, at.diary)
    const args = ['-B', '-m', 'panel', '--url', at.url, '--token-file', join(at.folder, 'token')]
    const files = ['--store', join(at.folder, 'activity.db'), '--diary', diary, '--geometry', at.geometry]
    const child = spawn(at.python, [...args, ...files], {
      cwd: join(packageRoot, 'examples/desktop'),
      env: { ...process.env, DISPLAY: at.display },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const panel = new Panel(child, at.display, diary)
    t.teardown(() => panel.kill())
    return panel
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill('SIGKILL')
    await once(this.child, 'exit')
  }

  /** The ids of the changes in its list, in the order of their appearance. */
  shown(): string[] {
    return this.#lines.flatMap(({ shown }) => shown ?? [])
  }

  async says(what: string, fact: (line: Line) => boolean): Promise<void> {
    await until(`the panel says ${what}`, async () => (await this.#read()).some(fact), PATIENCE_MS).catch(
      error => {
        throw new Error(
          `${error.message} It said: ${this.#lines
            .slice(-8)
            .map(line => JSON.stringify(line))
            .join(' ')}`,
        )
      },
    )
  }

  /** What its list has, as soon as that includes the last of the expected changes. */
  async shows(expected: readonly string[]): Promise<string[]> {
    const last = expected.at(-1)
    await this.says(`the change ${last}`, ({ shown }) => shown === last)
    return this.shown()
  }

  /** Clicks on what has this text, at the place that the diary gives after the last change. */
  async click(text: string): Promise<void> {
    let place: readonly [number, number] | undefined
    await until(
      `the panel says where ${text} is`,
      async () => {
        const lines = await this.#read()
        const moved = lines.findLastIndex(({ shown }) => shown !== undefined)
        place = lines.slice(moved + 1).find(line => line.text === text)?.at
        return place !== undefined
      },
      PATIENCE_MS,
    )
    const [x, y] = place ?? [0, 0]
    const env = { ...process.env, DISPLAY: this.display }
    await promisify(execFile)('xdotool', ['mousemove', `${x}`, `${y}`, 'click', '1'], { env })
  }

  /** Presses keys, one after the other, once the menu is open. */
  async press(...keys: string[]): Promise<void> {
    const env = { ...process.env, DISPLAY: this.display }
    await promisify(execFile)('xdotool', ['key', '--delay', '100', ...keys], { env })
  }

  async #read(): Promise<readonly Line[]> {
    const text = await readFile(this.diary, 'utf8').catch(() => '')
    // The last line may be there only in part.
    this.#lines = text
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line))
    return this.#lines
  }
}

/** A screen that nobody sees. */
async function startDisplay(t: Test): Promise<string> {
  const child = spawn('Xvfb', ['-displayfd', '1', '-screen', '0', '900x660x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const [number] = await within(PATIENCE_MS, once(child.stdout, 'data'), () => 'Xvfb did not start.')
  return `:${String(number).trim()}`
}

async function createItem(gateway: GatewayProcess, part: string): Promise<void> {
  await post(gateway, '/api/items', { part_number: part, description: `Part ${part}`, item_type: 'part' })
}

async function release(gateway: GatewayProcess, part: string, comment: string): Promise<void> {
  await post(gateway, `/api/items/${part}/revisions`, { comment })
}

async function post(gateway: GatewayProcess, path: string, body: object): Promise<void> {
  const headers = { ...bearer(token({ sub: 'ada', role: 'editor' })), 'content-type': 'application/json' }
  const response = await fetch(gateway.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(await response.text())
}

/** From SQL, so that it goes on whatever happens to the gateway. */
async function publish(pool: Database, events: number): Promise<void> {
  for (let left = events; left > 0; left -= 1) {
    await pool.query(`select sluice.publish('acme', 'feed', 'part.made', $1)`, [JSON.stringify({ left })])
    await pool.query('select pg_sleep(0.005)')
  }
}

/** The ids of the stored events of the feed, in order. */
async function ids(pool: Database): Promise<string[]> {
  const { rows } = await pool.query(
    `select e."position", e.event_id from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = 'acme' and s.name = 'feed' order by e."position"`,
  )
  return rows.map(row => formatEventId(row.position, row.event_id))
}
