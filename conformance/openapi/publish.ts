/** Publishes with a client whose types openapi-typescript generated, then reads the event back, and one that does not exist. */
import createClient from 'openapi-fetch'
import type { paths } from './generated/sluice.js'

const { SLUICE_URL: baseUrl = '', SLUICE_TOKEN: token = '' } = process.env
const client = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${token}` } })

const { data: published, error } = await client.POST('/api/events', {
  params: { header: { 'idempotency-key': 'typescript-1' } },
  body: { type: 'order.placed', data: { by: 'typescript' } },
})
if (error) throw new Error(error.detail)
const id = published.events[0]?.id ?? ''
const { data: event } = await client.GET('/api/events/{id}', { params: { path: { id } } })
console.log(`${event?.type} ${JSON.stringify(event?.data)}`)

const { error: problem } = await client.GET('/api/events/{id}', { params: { path: { id: '999999999' } } })
if (!problem) throw new Error('This event exists.')
const { status, code, detail }: { status: number; code: string; detail: string } = problem
console.log(`${status} ${code}: ${detail}`)
