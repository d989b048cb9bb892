import t from 'tap'
import { importConsole } from '../../../harness/console-module.js'

interface Caller {
  readonly role: string
  readonly grants: { readonly publish: readonly string[]; readonly types: readonly string[] } | null
}
const { mayPublish, streamsOfJob, mayCreateJobs } = await importConsole<{
  mayPublish(principal: Caller, streams: readonly string[], type: string): boolean
  streamsOfJob(id: string, project: string | null): string[]
  mayCreateJobs(principal: Caller): boolean
}>('session/granted.ts')

const editor = (publish: readonly string[], types = ['*']): Caller => ({
  role: 'editor',
  grants: { publish, types },
})

t.test('a role that may not write writes nothing, whatever its grants are', async t => {
  const viewer = { ...editor(['*']), role: 'viewer' }

  t.notOk(mayPublish(viewer, ['feed'], 'item.created'))
  t.notOk(mayCreateJobs(viewer))
})

t.test('grants are names, or prefixes that end in *', async t => {
  const cases = [
    [editor(['feed']), true],
    [editor(['fee*']), true],
    [editor(['fee']), false],
    [editor(['feed/*']), false],
    [editor([]), false],
    [editor(['feed'], ['item.*']), true],
    [editor(['feed'], ['item.deleted']), false],
    [{ role: 'editor', grants: null }, true],
  ] as const

  t.strictSame(
    cases.map(([caller]) => mayPublish(caller, ['feed'], 'item.created')),
    cases.map(([, may]) => may),
  )
})

t.test('a job is known by its id and by its project', async t => {
  t.strictSame(streamsOfJob('7', null), ['job:7'])
  t.strictSame(streamsOfJob('7', 'a/b %*'), ['job:7', 'project/a%2Fb %25%2A/7'])
  t.ok(mayPublish(editor(['project/site/*']), streamsOfJob('7', 'site'), 'job.cancelled'))
  t.notOk(mayPublish(editor(['project/site/*']), streamsOfJob('7', 'other'), 'job.cancelled'))
})

t.test('creating jobs needs a prefix of jobs or of a project', async t => {
  const terms = ['*', 'job:*', 'project/site/*', 'project/*', 'job:7', 'feed', 'orders/*']

  t.strictSame(
    terms.filter(term => mayCreateJobs(editor([term]))),
    ['*', 'job:*', 'project/site/*', 'project/*'],
  )
})
