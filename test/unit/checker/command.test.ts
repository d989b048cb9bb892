/** `npm run checker -- HISTORY`: a large history within bounded memory and linear time, and the answers of the command. */
import { execFile } from 'node:child_process'
import { appendFile, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { generateHistory } from '../../checker/generated-history.js'
import { lineOf } from '../../checker/history.js'
import { byNight } from '../../harness/nightly.js'

const run = promisify(execFile)
const CHECKER = join(packageRoot, 'dist/test/checker')
/** 10^7 deliveries by night. */
const EVENTS = byNight(3_000, 40_000)
const CLIENTS = byNight(200, 1_200)
const LEAST = byNight(100_000, 10_000_000)
/** The base of Node, and some hundred bytes for each event in the table. The file of the night has 1 GB. */
const MOST_RSS_MIB = 400

t.test(`checks ${LEAST} deliveries in bounded memory`, async t => {
  const folder = t.testdir()
  const path = join(folder, 'history.jsonl')
  await run(process.execPath, [join(CHECKER, 'generated-file.js'), path, '1', `${EVENTS}`, `${CLIENTS}`])
  const startedAt = performance.now()
  const { code, stdout, rssMiB } = await check(folder, '--json', path)
  const seconds = (performance.now() - startedAt) / 1_000

  const { looked, findings } = JSON.parse(stdout)
  t.equal(findings, 0)
  t.equal(code, 0)
  t.ok(looked.deliveries >= LEAST, `${looked.deliveries} deliveries`)
  t.ok(rssMiB < MOST_RSS_MIB, `${rssMiB} MiB`)
  const { size } = await stat(path)
  t.comment(
    `${looked.deliveries} deliveries, ${Math.round(size / 2 ** 20)} MiB: ${seconds.toFixed(1)} s, at most ${rssMiB} MiB`,
  )
})

t.test('prints what it found, and ends with 1', async t => {
  const folder = t.testdir()
  const path = join(folder, 'history.jsonl')
  const history = [...generateHistory({ seed: 1, events: 50, clients: 4 })]
  const gone = history.findIndex(each => each.k === 'frame' && each.c === 'c0')
  await writeFile(path, history.toSpliced(gone, 1).map(lineOf).join(''))

  const { code, stdout } = await check(folder, path)

  t.equal(code, 1)
  t.match(stdout, /^checked .* deliveries/)
  t.match(
    stdout,
    /\n(gap|cursor-ahead): .*\(1 times\)\n {2}client c0 on acme\/feed, connection \d+: .* came after /,
  )
  t.match(stdout, /\n1 findings\n$/)
})

t.test('ends with 2 and the number of the line for a file that is no history', async t => {
  const folder = t.testdir()
  const path = join(folder, 'history.jsonl')
  const cases = [
    ['', /The history is empty/],
    ['{"k":"quiet","t":1}\n', /Line 1: A history begins with a line of the kind history/],
    ['{"k":"history","version":2,"seed":1}\n', /Line 1: A line of the kind history is wrong at \/version/],
    ['{"k":"history","version":1,"seed":1}\n{"k":"qui', /Line 2: There is no kind|^checked/],
    [
      '{"k":"history","version":1,"seed":1}\n{"k":"strange"}\n',
      /Line 2: There is no kind of entry with the name "strange"/,
    ],
    [
      '{"k":"history","version":1,"seed":1}\n{"k":"quiet","t":1,"x":1}\n',
      /Line 2: A line of the kind quiet is wrong/,
    ],
    ['{"k":"history","version":1,"seed":1}\nquiet\n', /Line 2: /],
  ] as const
  for (const [text, message] of cases) {
    await writeFile(path, text)
    const { code, stdout, stderr } = await check(folder, path)

    t.match(stdout + stderr, message)
    t.equal(code, text.endsWith('qui') ? 0 : 2)
  }
  t.match(await check(folder), { code: 2, stderr: /Name the file of a history/ })
  t.match(await check(folder, '--strange'), { code: 2, stderr: /Unknown option/ })
})

t.test('several files are one history', async t => {
  const folder = t.testdir()
  const lines = [...generateHistory({ seed: 2, events: 50, clients: 4 })].map(lineOf)
  await writeFile(join(folder, 'one.jsonl'), lines.slice(0, 200).join(''))
  // The process that wrote this file was killed.
  await appendFile(join(folder, 'one.jsonl'), '{"k":"frame","t":1')
  await writeFile(join(folder, 'two.jsonl'), lines.slice(200).join(''))

  t.match(await check(folder, join(folder, 'one.jsonl'), join(folder, 'two.jsonl')), { code: 0 })
})

/** Runs the command, and measures its memory. */
async function check(folder: string, ...args: string[]) {
  const rssFile = join(folder, 'rss')
  const written = `process.on('exit', () => writeFileSync(${JSON.stringify(rssFile)}, String(process.resourceUsage().maxRSS)))`
  const preload = `data:text/javascript,${encodeURIComponent(`import { writeFileSync } from 'node:fs'; ${written}`)}`
  const command = ['--import', preload, join(CHECKER, 'command.js'), ...args]
  const { stdout, stderr, code } = await run(process.execPath, command).then(
    result => ({ ...result, code: 0 }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  )
  const rssMiB = Math.round(Number(await readFile(rssFile, 'utf8')) / 1_024)
  await rm(rssFile)
  return { stdout, stderr, code, rssMiB }
}
