/**
 * A case of the contract as data: what the awkward server does, request after request, and what the client must be seen to do.
 * README.md describes the members for authors of cases.
 */
import Type, { type Static, type TSchema } from 'typebox'
import Value from 'typebox/value'

const Text = Type.String()
const Count = Type.Integer({ minimum: 1 })
const Milliseconds = Type.Integer({ minimum: 0 })
const Times = Type.Union([Count, Type.Literal('any')])

const only = <Members extends Record<string, TSchema>>(members: Members) =>
  Type.Object(members, { additionalProperties: false })
const optional = <Members extends Record<string, TSchema>>(members: Members) =>
  Type.Partial(Type.Object(members), { additionalProperties: false })

/** One thing that the server does after the head of a response. A text is sent as it is. */
const Step = Type.Union([
  Text,
  only({ hex: Text }),
  only({ text: Text, times: Count }),
  only({ text: Text, pieces: Count }),
  only({ borders: Text }),
  only({ fill: Text, most_mib: Count }),
  only({ pause_ms: Milliseconds }),
  only({ seen: Text, count: Count }),
  only({ tell: Type.Union([Type.Literal('go'), Type.Literal('restart'), Type.Literal('close')]) }),
  only({ end: Type.Literal(true) }),
  only({ cut: Type.Union([Type.Literal('close'), Type.Literal('reset')]) }),
])

/** `null`: a request must not have the header, a response is sent without it. */
const Headers = Type.Record(Text, Type.Union([Text, Type.Null()]))

const Exchange = optional({
  request: optional({
    method: Text,
    path: Text,
    origin: Type.Union([Type.Literal('first'), Type.Literal('other')]),
    headers: Headers,
    body: Text,
    json: Type.Unknown(),
    after_ms: Milliseconds,
  }),
  answer: Type.Union([Type.Literal('none'), Type.Literal('reset')]),
  status: Type.Integer(),
  headers: Headers,
  framing: Type.Union([Type.Literal('chunked'), Type.Literal('close'), Type.Literal('http10')]),
  gzip: Type.Literal(true),
  trailers: Type.Record(Text, Text),
  body: Text,
  log: Type.Literal(true),
  cut_after: Type.Integer({ minimum: 0 }),
  steps: Type.Array(Step),
  times: Times,
})

const Expectation = optional({
  times: Times,
  opened: Type.Literal(true),
  event: optional({ id: Text, type: Text, data: Type.Unknown() }),
  comment: Text,
  retrying: optional({ least_ms: Milliseconds, most_ms: Milliseconds, differ: Type.Literal(true) }),
  asked: Type.Literal(true),
  renewed: Type.Literal(true),
  stored: Text,
  handled: Text,
  state: Text,
  reset: optional({ id: Text, reason: Text }),
  reloaded: Type.Literal(true),
  failed: Type.Literal(true),
  ended: optional({ why: Text, status: Type.Integer(), code: Text, detail: Text }),
})

const Options = optional({
  last_event_id: Text,
  method: Text,
  body: Text,
  headers: Type.Record(Text, Text),
  retry_ms: Milliseconds,
  max_ms: Milliseconds,
  longest_ms: Milliseconds,
  silence_ms: Milliseconds,
  max_event_bytes: Count,
  token: Text,
  expires_in_ms: Milliseconds,
  refresh: Type.Array(optional({ token: Text, expires_in_ms: Milliseconds })),
  renew_ms: Milliseconds,
  confirm_ms: Milliseconds,
  types: Type.Array(Text),
  from: Text,
  reload: Type.Union([Text, Type.Null()]),
  store: Type.Union([Type.Literal('after'), Type.Literal('before')]),
  hold: Type.Union([Type.Literal('event'), Type.Literal('reset')]),
  consumer: Text,
  ack_every: Count,
  ack_after_ms: Milliseconds,
  close_ms: Milliseconds,
  standby: Type.Literal(true),
  takeover: Type.Literal(true),
  throws: Text,
})

const CaseData = Type.Object(
  {
    about: Text,
    layer: Type.Union([Type.Literal('sse'), Type.Literal('feed'), Type.Literal('consumer')]),
    rule: Type.Union([Type.Literal('standard'), Type.Literal('sluice')]),
    needs: Type.Optional(Type.Array(Text)),
    alone: Type.Optional(Type.Literal(true)),
    options: Type.Optional(Options),
    log: Type.Optional(Type.Array(Text)),
    serve: Type.Array(Exchange),
    see: Type.Array(Expectation),
  },
  { additionalProperties: false },
)

export type Step = Static<typeof Step>
export type Exchange = Static<typeof Exchange>
export type Expectation = Static<typeof Expectation>
export type Case = Static<typeof CaseData> & { readonly id: string }

/** @throws {Error} that names the case and the first member that does not fit. */
export function parseCase(id: string, value: unknown): Case {
  if (Value.Check(CaseData, value)) return { id, ...value }
  const [error] = Value.Errors(CaseData, value)
  throw new Error(`Case ${id}, ${error?.instancePath || 'itself'}: ${error?.message ?? 'does not fit'}.`)
}
