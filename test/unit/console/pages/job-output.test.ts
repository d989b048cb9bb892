import t from 'tap'
import { importConsole } from '../../../harness/console-module.js'

interface Row {
  readonly text: string
  readonly source: string
  readonly line: number
}
interface JobOutput {
  readonly terminal: { readonly length: number; row(index: number): Row | undefined; drain(): readonly Row[] }
  readonly progress: { readonly part: number | undefined; readonly text: string } | undefined
  readonly artifacts: readonly { readonly name: string; readonly path: string }[]
  take(event: { readonly type: string; readonly data: unknown }): void
}
const { JobOutput } = await importConsole<{ JobOutput: new () => JobOutput }>('pages/jobs/job-output.ts')

function taken(...events: readonly (readonly [type: string, data: unknown])[]): JobOutput {
  const output = new JobOutput()
  for (const [type, data] of events) output.take({ type, data })
  return output
}

t.test('output and what happens to the job are rows, and only output has line numbers', async t => {
  const { terminal } = taken(
    ['job.created', { job_id: '7' }],
    ['job.started', { attempt: 1, runner: 'build-7' }],
    ['output', { line: 'one', stream: 'stdout' }],
    ['job.requeued', { attempt: 1, reason: 'lease-expired' }],
    ['output', { line: 'two', stream: 'stderr' }],
    ['output', { redacted: true, reason: 'a secret' }],
    ['step.started', { step: 'test' }],
    ['job.completed', {}],
  )

  t.strictSame(
    terminal.drain().map(({ text, source, line }) => [source, line, text]),
    [
      ['note', 0, 'Attempt 1 on build-7'],
      ['stdout', 1, 'one'],
      ['note', 1, 'The runner was lost. The job is back in the queue.'],
      ['stderr', 2, 'two'],
      ['note', 2, 'output: an admin has erased this: a secret'],
      ['note', 2, 'step.started {"step":"test"}'],
    ],
  )
})

t.test('progress has three forms, and a new attempt begins without any', async t => {
  const cases = [
    [
      { done: 1, of: 4 },
      { part: 0.25, text: '1 of 4' },
    ],
    [
      { done: 9, total: 4, message: 'linking' },
      { part: 1, text: '9 of 4: linking' },
    ],
    [{ percent: 37.4 }, { part: 0.374, text: '37 %' }],
    [{ percent: -5 }, { part: 0, text: '-5 %' }],
    [{ step: 'test' }, { part: undefined, text: 'test' }],
    [
      { done: 1, of: 0 },
      { part: undefined, text: 'running' },
    ],
    ['none', { part: undefined, text: 'running' }],
  ] as const

  t.strictSame(
    cases.map(([data]) => taken(['progress', data]).progress),
    cases.map(([, progress]) => progress),
  )
  t.equal(taken(['progress', { percent: 50 }], ['job.started', { attempt: 2 }]).progress, undefined)
})

// Attack: an executor reports what no page expects.
t.test('malformed events are shown as they are, and bounded', async t => {
  const output = taken(
    ['output', null],
    ['output', { line: { nested: true } }],
    ['log', ['a']],
    ['artifact', {}],
    ['custom', { text: 'x'.repeat(100_000) }],
  )
  const texts = output.terminal.drain().map(({ text }) => text)

  t.strictSame(texts.slice(0, 3), ['{}', '{"nested":true}', '{"0":"a"}'])
  t.ok(texts.every(text => text.length < 600))
  for (let file = 0; file < 2_000; file += 1) output.take({ type: 'artifact', data: { path: `${file}` } })
  t.equal(output.artifacts.length, 500)
})
