/** The endpoints of the checker: one for each way to fail, ordered and parallel, and some that never fail beside them. */
import type { Test } from 'tap'
import type { Recorder } from '../../checker/recorder.js'
import { recordRequest } from '../../checker/webhook-request.js'
import { as } from '../../harness/gateway.js'
import {
  BEHAVIOURS,
  type Behaviour,
  type HostileReceiver,
  type Observer,
  startHostileReceiver,
} from '../../harness/hostile-receiver.js'

/** The first requests fail, and then some, so that there is an end. */
const FAILURES = { first: 3, each: 25, at: 12 }

export interface EndpointPlan {
  readonly name: string
  readonly workspace?: string
  readonly behave: (before: number) => Behaviour
  /** Members of POST /api/webhooks. */
  readonly settings?: Readonly<Record<string, unknown>> & { readonly types?: string; readonly form?: string }
  /** It never accepts anything. */
  readonly isHopeless?: true
}

export interface CheckedEndpoint extends EndpointPlan {
  readonly id: string
  readonly path: string
  readonly workspace: string
  /** Signs too, after a rotation. */
  newSecret?: string
  /** Its own, so that the circuit breaker of one says nothing of the others. */
  readonly receiver: HostileReceiver
}

const isFailure = (behaviour: Behaviour) => !behaviour.startsWith('accept') && behaviour !== 'be gone'
const FAULTY = BEHAVIOURS.filter(behaviour => isFailure(behaviour) || behaviour === 'accept with 100 MB')

const sometimes = (behaviour: Behaviour) => (before: number) =>
  before < FAILURES.first || before % FAILURES.each === FAILURES.at ? behaviour : 'accept'

const PLANS: readonly EndpointPlan[] = [
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

const HOPELESS: readonly EndpointPlan[] = [
  { name: 'hopeless, stalls', behave: () => 'stall before the headers', isHopeless: true },
  { name: 'hopeless, fails', behave: () => 'fail with 500', isHopeless: true },
  {
    name: 'hopeless, parallel',
    behave: () => 'stall in the body',
    settings: { order: 'parallel', max_in_flight: 20 },
    isHopeless: true,
  },
]

/** Says once that it is gone. */
export const GONE: EndpointPlan = {
  name: 'gone for a time',
  behave: before => (before === 5 ? 'be gone' : 'accept'),
}
export const ALL_PLANS = [...PLANS, ...HOPELESS, GONE]

/** Its receiver records what it gets. */
export async function createEndpoint(
  t: Test,
  url: string,
  recorder: Recorder,
  plan: EndpointPlan,
): Promise<CheckedEndpoint> {
  const { name, workspace = 'acme', settings, behave } = plan
  const receiver = await startHostileReceiver(t)
  const path = `/${encodeURIComponent(name)}`
  const body = { url: receiver.url + path, start: 'beginning', description: name, ...settings }
  const created = administer(url, workspace, 'POST', '', body)
  const observer = created.then(({ secret, cursor }): Observer => {
    const record = recorder.webhook({
      webhook: name,
      stream: `${workspace}/feed`,
      form: settings?.form ? 'webhook cloudevent' : 'webhook',
      ...(settings?.types && { types: [settings.types] }),
      start: cursor ?? '0',
      isOrdered: settings?.order !== 'parallel',
      ...(plan.isHopeless && { mayLack: true }),
    })
    return request => recordRequest(record, request, [secret])
  })
  receiver.behave(path, behave, observer)
  const { id } = await created
  return { ...plan, workspace, id, path, receiver }
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
  return await documentIn(response)
}

/** The webhook; undefined while the gateway has no answer of its database. */
export async function readWebhook(
  url: string,
  workspace: string,
  id: string,
): Promise<WebhookDocument | undefined> {
  const response = await fetch(`${url}/api/webhooks/${id}`, { headers: as('admin', workspace) })
  return response.status === 503 ? undefined : await documentIn(response)
}

async function documentIn(response: Response): Promise<WebhookDocument> {
  const text = await response.text()
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${text}`)
  return JSON.parse(text)
}
