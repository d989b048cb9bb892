import { once } from 'node:events'
import { EventSource } from 'eventsource'
import t from 'tap'
import { openBrowser, withoutBrowser } from '../../harness/browser.js'
import { play, STORIES } from '../../harness/dialect-story.js'
import { as, startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

for (const story of Object.values(STORIES)) {
  t.test(
    `${story.name}: an EventSource on an ended job receives all its events, and stops for good`,
    async t => {
      const { app, url } = await startGateway(t)
      const job = await play(app, story)
      const answers: number[] = []
      const source = new EventSource(url + story.path(job.id), {
        fetch: async (url, init) => {
          const response = await fetch(url, { ...init, headers: { ...init.headers, ...as('viewer') } })
          answers.push(response.status)
          return response
        },
      })
      t.teardown(() => source.close())
      const heard: string[] = []
      const last = story.name === 'runs' ? 'message' : LAST[story.name]
      source.addEventListener(last, event => heard.push(event.data))

      await once(source, 'open')
      await until('it has stopped', () => source.readyState === EventSource.CLOSED)

      t.same(answers, [200, 204])
      t.equal(heard.length, story.name === 'runs' ? 2 : 1)
    },
  )
}

const LAST = {
  job: 'job.completed',
  'runner-jobs': 'stream.complete',
  runs: 'message',
  'remote-commands': 'complete',
  executions: 'execution-complete',
} as const

t.test("Chromium's EventSource does the same", { skip: withoutBrowser() }, async t => {
  const { app, url } = await startGateway(t)
  const browser = await openBrowser(t)
  const page = await browser.newPage()
  await page.route(`${url}/blank`, route =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }),
  )
  await page.goto(`${url}/blank`)

  for (const story of Object.values(STORIES)) {
    const job = await play(app, story)
    const path = story.path(job.id)
    const answers: number[] = []
    page.on('response', response => {
      if (response.url().includes(job.id)) answers.push(response.status())
    })

    const heard = await page.evaluate<string[]>(`new Promise(resolve => {
      const heard = []
      const source = new EventSource('${path}${path.includes('?') ? '&' : '?'}token=${token()}')
      source.addEventListener('${LAST[story.name]}', event => heard.push(event.data))
      source.addEventListener('error', () => {
        if (source.readyState === EventSource.CLOSED) resolve(heard)
      })
    })`)

    t.equal(heard.length, story.name === 'runs' ? 2 : 1, story.name)
    t.same(answers, [200, 204])
  }
})
