import t from 'tap'
import type { Job } from '../../../src/jobs/job.js'
import { movableClock } from '../../harness/clock.js'
import { create, finish, run, STORIES, type Story } from '../../harness/dialect-story.js'
import { openStream } from '../../harness/event-stream.js'
import { startGateway } from '../../harness/gateway.js'
import { bearer, secondsFromNow, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

t.test('a stream that has an end outlives MAX_STREAM_AGE, in every dialect; the feed does not', async t => {
  const gateway = await startGateway(t, { env: { MAX_STREAM_AGE: '3600' } })
  const { app, url } = gateway
  const clock = movableClock(t)
  const headers = bearer(token({ exp: secondsFromNow(86_400) }))
  const open = (path: string, accept = 'text/event-stream') =>
    openStream(t, url + path, { headers: { ...headers, accept } })
  const jobs: { story: Story; job: Job }[] = []
  for (const story of Object.values(STORIES)) jobs.push({ story, job: await create(app, story) })
  const [{ job }] = jobs as [(typeof jobs)[0]]
  const streams = await Promise.all([
    ...jobs.map(({ story, job }) => open(story.path(job.id))),
    open(STORIES.job.path(job.id), 'application/x-ndjson'),
    open(`${STORIES.job.path(job.id)}?envelope=message`),
  ])
  const feed = await open('/api/events')
  await until('all are there', () => app.hub.clients().total === streams.length + 1)

  clock.forward(4 * 3_600_000)
  t.ok(await feed.ended())
  await until('a heartbeat of each', () => streams.every(({ text }) => /heartbeat|ping/.test(text())))
  for (const { story, job } of jobs) {
    await run(app, story, job)
    await finish(app, story, job)
  }

  const ended = await Promise.all(streams.map(stream => stream.ended()))
  t.ok(ended.every(Boolean))
  const ends = streams.map(({ text }) => text().trimEnd().split('\n').slice(-2).join('\n'))
  const END = /job\.completed|event: stream\.complete|"type":"done"|event: complete|event: execution-complete/
  t.same(
    ends.filter(end => !END.test(end)),
    [],
  )
})
