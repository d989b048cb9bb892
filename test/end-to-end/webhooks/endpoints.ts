/** The endpoints of the checker: one for each way to fail, ordered and parallel, and some that never fail beside them. */
import type { Test } from 'tap'
import { as } from '../../harness/gateway.js'
import {
  BEHAVIOURS,
  type Behaviour,
  type HostileReceiver,
  startHostileReceiver,
} from '../../harness/hostile-receiver.js'

/** The first requests fail, and then some, so that there is an end. */
const FAILURES = { first: 3, each: 25, at: 12 }

export interface EndpointPlan {
  readonly name: string
  readonly workspace?: string
  readonly behave: (before: number) => Behaviour
  /** Members of POST /api/webhooks. */
  readonly settings?: Readonly<Record<string, unknown>>
}

export interface CheckedEndpoint extends EndpointPlan {
  readonly id: string
  readonly path: string
  readonly workspace: string
  readonly secrets: readonly string[]
  /** Signs too, after a rotation. */
  newSecret?: string
  /** The position after which it gets all events. */
  readonly start: number
  /** Its own, so that the circuit breaker of one says nothing of the others. */
  readonly receiver: HostileReceiver
}

const isFailure = (behaviour: Behaviour) => !behaviour.startsWith('accept') && behaviour !== 'be gone'
const FAULTY = BEHAVIOURS.filter(behaviour => isFailure(behaviour) || behaviour === 'accept with 100 MB')

const sometimes = (behaviour: Behaviour) => (before: number) =>
  before < FAILURES.first || before % FAILURES.each === FAILURES.at ? behaviour : 'accept'

export const PLANS: readonly EndpointPlan[] = [
  ...FAULTY.map(behaviour => ({ name: `ordered, ${behaviour}`, behave: sometimes(behaviour) })),
  ...FAULTY.map(behaviour => ({
    name: `parallel, ${behaviour}`,
    behave: sometimes(behaviour),
    settings: { order: 'parallel', max_in_flight: 4 },
  })),
  { name: 'healthy', behave: () => 'accept' },
  {
    name: 'healthy and slow',
    behave: before => (before % 10 === 0 ? 'accept slowly' : 'accept without content'),
  },
  {
    name: 'parallel and slow',
    behave: () => 'accept slowly',
    settings: { order: 'parallel', max_in_flight: 8 },
  },
  { name: 'cloudevents', behave: sometimes('reset'), settings: { form: 'cloudevents' } },
  { name: 'binary cloudevents', behave: sometimes('drop'), settings: { form: 'cloudevents-binary' } },
  { name: 'some types', behave: sometimes('fail with 500'), settings: { types: 'parcel.*' } },
  { name: 'from now on', behave: sometimes('fail with 500'), settings: { start: 'now' } },
  { name: 'of another workspace', workspace: 'globex', behave: sometimes('fail with 500') },
]

/** These never accept anything. */
export const HOPELESS: readonly EndpointPlan[] = [
  { name: 'hopeless, stalls', behave: () => 'stall before the headers' },
  { name: 'hopeless, fails', behave: () => 'fail with 500' },
  {
    name: 'hopeless, parallel',
    behave: () => 'stall in the body',
    settings: { order: 'parallel', max_in_flight: 20 },
  },
]

/** Says once that it is gone. */
export const GONE: EndpointPlan = {
  name: 'gone for a time',
  behave: before => (before === 5 ? 'be gone' : 'accept'),
}

export async function createEndpoint(t: Test, url: string, plan: EndpointPlan): Promise<CheckedEndpoint> {
  const { name, workspace = 'acme', settings, behave } = plan
  const receiver = await startHostileReceiver(t)
  const path = `/${encodeURIComponent(name)}`
  receiver.behave(path, behave)
  const body = { url: receiver.url + path, start: 'beginning', description: name, ...settings }
  const { id, secret, cursor } = await administer(url, workspace, 'POST', '', body)
  const start = Number.parseInt(cursor ?? '0', 10)
  return { ...plan, workspace, id, path, secrets: [secret], start, receiver }
}

export interface WebhookDocument {
  readonly id: string
  /** Only in the answers that create one. */
  readonly secret: string
  /** The event id after which it continues. */
  readonly cursor: string | null
  readonly state: string
  readonly state_reason: string | null
  readonly lag: { readonly events: number }
}

/** @throws {Error} with the answer, unless it is 2xx. */
export async function administer(
  url: string,
  workspace: string,
  method: string,
  path: string,
  body?: object,
): Promise<WebhookDocument> {
  const response = await fetch(`${url}/api/webhooks${path}`, {
    method,
    headers: { ...as('admin', workspace), ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return JSON.parse(text)
}
