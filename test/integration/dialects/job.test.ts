import t from 'tap'
import { create, finish, idsOf, play, run, STORIES } from '../../harness/dialect-story.js'
import { openStream } from '../../harness/event-stream.js'
import { as, startGateway } from '../../harness/gateway.js'
import { watch } from '../../harness/transcript.js'

const story = STORIES.job

t.test('a filter that hides the last event hides neither the end nor its id', async t => {
  const { app, url } = await startGateway(t)
  const job = await create(app, story)
  const path = `${url}${story.path(job.id)}?types=output`
  const early = await watch(t, path)
  await run(app, story, job)
  await finish(app, story, job)
  const late = await watch(t, path)

  for (const stream of [early, late]) {
    t.ok(await stream.ended())
    t.same(
      stream.messages.map(({ event }) => event),
      ['server.state', 'snapshot', 'output'],
    )
    const id = (await idsOf(app, job)).at(-1) ?? ''
    t.ok(stream.text().endsWith(`\n\nid: ${id}\n\n`))
    const back = await fetch(path, { headers: { ...as('viewer'), 'last-event-id': id } })
    t.equal(back.status, 204)
  }
})

t.test('a stream of lines ends with the job, and a page of it can be read', async t => {
  const { app, url } = await startGateway(t)
  const job = await play(app, story)
  const ids = await idsOf(app, job)
  const path = url + story.path(job.id)
  const inForm = (accept: string, query = '') =>
    fetch(`${path}${query}`, { headers: { ...as('viewer'), accept } })

  const lines = await (await inForm('application/x-ndjson')).text()
  const page = await (await inForm('application/json', `?after=${ids[1]}&limit=2`)).json()
  const unknown = await fetch(`${url}${story.path('00000000-0000-4000-8000-000000000000')}`, {
    headers: { ...as('viewer'), accept: 'application/json' },
  })

  const events = lines
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  t.same(
    events.filter(event => 'position' in event).map(({ id }) => id),
    ids,
  )
  t.match(page, { events: [{ id: ids[2] }, { id: ids[3] }], next: ids[3], head: ids[4] })
  t.equal(unknown.status, 404)
})

t.test('a client that starts at the head gets the snapshot and only later events', async t => {
  const { app, url } = await startGateway(t)
  const job = await create(app, story)
  await run(app, story, job)

  const stream = await openStream(t, `${url}${story.path(job.id)}?from=now`, {
    headers: as('viewer'),
  })
  await stream.until(2)
  await finish(app, story, job)

  t.ok(await stream.ended())
  t.same(
    stream.messages.map(({ event }) => event),
    ['server.state', 'snapshot', 'job.completed'],
  )
})

t.test('the first id follows the opening messages, so every client gets them', async t => {
  const { app, url } = await startGateway(t)
  const job = await create(app, story)

  const stream = await watch(t, url + story.path(job.id))
  await stream.until(3)

  const text = stream.text()
  t.ok(text.indexOf('\nid: ') > text.indexOf('event: snapshot'))
  t.equal(stream.messages.find(({ event }) => event === 'snapshot')?.id, undefined)
})

t.test('a client that lacks only the last event gets it before the stream ends', async t => {
  const { app, url } = await startGateway(t)
  const job = await create(app, story)
  await run(app, story, job)
  const path = url + story.path(job.id)
  const early = await openStream(t, path, { headers: as('viewer') })
  const seen = (await idsOf(app, job)).at(-1) ?? ''
  await early.until(messages => messages.some(({ id }) => id === seen))

  // From SQL, which wakes nobody: this process hears of it with its next poll.
  await app.database.query(`select sluice.finish_job('acme', $1, null, 'completed', null, 'ada')`, [job.id])
  const back = await openStream(t, path, { headers: { ...as('viewer'), 'last-event-id': seen } })

  t.equal(back.response.statusCode, 200)
  t.ok(await back.ended())
  t.equal(back.messages.at(-1)?.event, 'job.completed')
})
