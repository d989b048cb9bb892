/**
 * The bytes of every dialect, from the first to the clean end, against golden transcripts. After an intended change:
 * `SLUICE_UPDATE_GOLDEN=1 npm test -- test/integration/dialects/transcripts.test.ts`, and read what has changed.
 */
import t from 'tap'
import { create, EDITOR, finish, idsOf, play, run, STORIES } from '../../harness/dialect-story.js'
import { as, BEHIND_PROXY, startGateway } from '../../harness/gateway.js'
import { matchesGolden, transcriptOf, watch } from '../../harness/transcript.js'

for (const story of Object.values(STORIES)) {
  t.test(`${story.name}: a client that connects before the job ends`, async t => {
    const { app, url } = await startGateway(t)
    const job = await create(app, story)
    const stream = await watch(t, url + story.path(job.id))

    await run(app, story, job)
    await finish(app, story, job)

    matchesGolden(t, `${story.name}-running`, await transcriptOf(stream))
  })

  t.test(`${story.name}: the same, when gateways find events only by polling`, async t => {
    const env = { BUS_NOTIFY: 'off' }
    const { app, databaseUrl } = await startGateway(t, { env })
    const { url } = await startGateway(t, { env, databaseUrl })
    const job = await create(app, story)
    const stream = await watch(t, url + story.path(job.id))

    await run(app, story, job)
    await finish(app, story, job)

    matchesGolden(t, `${story.name}-running`, await transcriptOf(stream))
  })

  t.test(`${story.name}: a client that connects after the end`, async t => {
    const { app, url } = await startGateway(t)
    const job = await play(app, story)

    const stream = await watch(t, url + story.path(job.id))

    matchesGolden(t, `${story.name}-finished`, await transcriptOf(stream))
  })

  t.test(`${story.name}: a cancelled job`, async t => {
    const { app, url } = await startGateway(t)
    const job = await create(app, story)
    await run(app, story, job)
    const stream = await watch(t, url + story.path(job.id))

    await app.jobs.cancel(EDITOR, job.id)

    matchesGolden(t, `${story.name}-cancelled`, await transcriptOf(stream))
  })

  t.test(
    `${story.name}: a client that reconnects gets the remaining events, by header or by URL`,
    async t => {
      const { app, url } = await startGateway(t)
      const job = await play(app, story)
      const path = url + story.path(job.id)
      const id = (await idsOf(app, job)).at(-3) ?? ''

      const byHeader = await transcriptOf(await watch(t, path, id))
      const byUrl = await transcriptOf(
        await watch(t, `${path}${path.includes('?') ? '&' : '?'}last_event_id=${id}`),
      )

      matchesGolden(t, `${story.name}-resumed`, byHeader)
      t.equal(byUrl, byHeader)
    },
  )

  t.test(`${story.name}: after its end every reconnect gets 204`, async t => {
    const { app, url } = await startGateway(t)
    const job = await play(app, story)
    const id = (await idsOf(app, job)).at(-1) ?? ''

    const response = await fetch(url + story.path(job.id), {
      headers: { ...as('viewer'), 'last-event-id': id },
    })

    t.equal(response.status, 204)
    t.equal(await response.text(), '')
  })

  t.test(`${story.name}: a foreign event id gets a reset, then the stream ends for good`, async t => {
    const { app, url } = await startGateway(t)
    const job = await play(app, story)

    const stream = await watch(t, url + story.path(job.id), '2.aaaaaa')

    matchesGolden(t, `${story.name}-reset`, await transcriptOf(stream))
    const head = (await idsOf(app, job)).at(-1)
    t.equal(
      stream.messages.at(-1)?.id,
      head,
      'the last message has the id of the head, so a reconnect gets 204',
    )
  })

  t.test(`${story.name}: a client beyond the limit of streams`, async t => {
    const { app, url } = await startGateway(t, { env: { MAX_STREAMS: '1' } })
    const job = await create(app, story)
    await watch(t, `${url}/api/events`)

    const stream = await watch(t, url + story.path(job.id))

    matchesGolden(t, `${story.name}-refused`, await transcriptOf(stream))
  })

  t.test(`${story.name}: a job of another workspace looks like one that does not exist`, async t => {
    const { app, url } = await startGateway(t, { env: BEHIND_PROXY })
    const foreign = await app.jobs.create({ id: 'eve', workspace: 'globex' }, story.job)
    const answer = async (id: string, role: 'viewer' | 'admin') => {
      const headers = { ...as(role), 'x-request-id': 'same', 'last-event-id': '1' }
      const response = await fetch(url + story.path(id), { headers })
      return [response.status, await response.text()]
    }

    const unknown = await answer('00000000-0000-4000-8000-000000000000', 'admin')

    t.equal(unknown[0], 404)
    t.same(await answer(foreign.id, 'admin'), unknown)
    t.same(await answer(foreign.id, 'viewer'), unknown)
  })

  t.test(`${story.name}: bad requests are refused before any stream`, async t => {
    const { app, url } = await startGateway(t)
    const job = await create(app, story)
    const path = story.path(job.id)
    const and = path.includes('?') ? '&' : '?'
    const cases: [path: string, headers: Record<string, string>, status: number][] = [
      [story.path('a%20b'), as('viewer'), 400],
      [story.path("1'; drop table sluice.jobs"), as('viewer'), 400],
      [path, {}, 401],
      [`${path}${and}token=nonsense`, {}, 401],
    ]

    for (const [path, headers, status] of cases) {
      const response = await fetch(url + path, { headers: { ...headers, accept: 'text/event-stream' } })

      t.equal(response.status, status, path)
      t.match(response.headers.get('content-type'), /^application\/problem\+json/)
    }
  })
}
