/**
 * The lines of a history about work that is handed out: consumers, webhooks and jobs. All lines of one consumer, and all of one webhook,
 * stand in one file, in the order in which they happened: one process has all its clients. Lines of a job may come in any order.
 */
import Type from 'typebox'
import { Hash, Name, Stream, Time } from './values.js'

/** What it gets of a stream. */
const WANTED = {
  stream: Stream,
  form: Name,
  /** It wants these types; default: all. `name*` stands for all that begin so. */
  types: Type.Optional(Type.Array(Name)),
}

/** A consumer, before its first client. */
export const Consumer = Type.Object({
  k: Type.Literal('consumer'),
  consumer: Name,
  ...WANTED,
  /** The id of its first cursor. */
  start: Name,
  maxInFlight: Type.Integer({ minimum: 1 }),
  /** Acknowledgements name a position alone, so that one of a lost event passes over the event that has its position since. */
  isBlind: Type.Optional(Type.Boolean()),
})

/** A client has learned that it holds the consumer: by a stream, or by the first page of an epoch. */
export const Held = Type.Object({
  k: Type.Literal('held'),
  t: Time,
  consumer: Name,
  /** The number of this holding, among all of the consumer. */
  n: Type.Integer({ minimum: 1 }),
  /** The client. */
  holder: Name,
  epoch: Type.Integer(),
  /** When its request was sent. */
  asked: Time,
})

/** An event was handed out. */
export const Handed = Type.Object({
  k: Type.Literal('handed'),
  t: Time,
  consumer: Name,
  n: Type.Integer(),
  id: Name,
  type: Name,
  h: Hash,
})

/** A reset, or a page that was refused for this reason. */
export const Rewound = Type.Object({
  k: Type.Literal('rewound'),
  t: Time,
  consumer: Name,
  reason: Name,
  /** The id at which it continues once this is acknowledged. */
  head: Name,
})

/** A client sends an acknowledgement. */
export const Acking = Type.Object({
  k: Type.Literal('acking'),
  t: Time,
  consumer: Name,
  /** The number of this acknowledgement, among all of the consumer. */
  a: Type.Integer({ minimum: 1 }),
  epoch: Type.Integer(),
  id: Name,
})

/** The answer to an acknowledgement. */
export const Acked = Type.Object({
  k: Type.Literal('acked'),
  t: Time,
  consumer: Name,
  a: Type.Integer(),
  status: Type.Integer(),
  /** The cursor in the answer. */
  cursor: Type.Optional(Name),
})

/** The position of the cursor in the table, as a query has just said. The last one is that of the end. */
export const Cursor = Type.Object({
  k: Type.Literal('cursor'),
  t: Time,
  consumer: Name,
  position: Type.Integer(),
})

/** A webhook, before its first delivery. */
export const Webhook = Type.Object({
  k: Type.Literal('webhook'),
  webhook: Name,
  ...WANTED,
  start: Name,
  isOrdered: Type.Boolean(),
  /** Its receiver never accepts, or the run ends before it may have everything. */
  mayLack: Type.Optional(Type.Literal(true)),
})

/** A request arrived at the receiver. */
export const Delivery = Type.Object({
  k: Type.Literal('delivery'),
  t: Time,
  webhook: Name,
  /** The number of this request, among all of the webhook. */
  d: Type.Integer({ minimum: 1 }),
  /** The event id. */
  id: Name,
  type: Name,
  h: Hash,
  /** Whether every secret of the webhook has signed it. */
  isSigned: Type.Boolean(),
})

/** The receiver answers the request with 2xx. */
export const Accepted = Type.Object({
  k: Type.Literal('accepted'),
  t: Time,
  webhook: Name,
  d: Type.Integer(),
})

/** The message `sluice.reset` arrived: the webhook has lost its place, and continues after another one. */
export const Redirected = Type.Object({
  k: Type.Literal('redirected'),
  t: Time,
  webhook: Name,
  reason: Name,
  /** The id after which it continues. */
  after: Name,
})

/** An answer of 2xx about a job. */
export const Job = Type.Object({
  k: Type.Literal('job'),
  /** When the answer arrived. */
  t: Time,
  /** When the request was sent. */
  asked: Time,
  /** The stream of the job. */
  job: Stream,
  did: Type.Union([
    Type.Literal('submitted'),
    Type.Literal('claimed'),
    /** Lines, progress and other events of an attempt were stored. */
    Type.Literal('told'),
    Type.Literal('ended'),
  ]),
  /** All but the submission have these two. */
  runner: Type.Optional(Name),
  attempt: Type.Optional(Type.Integer()),
  /** How many events were told. */
  count: Type.Optional(Type.Integer()),
  /** The type of the end. */
  type: Type.Optional(Name),
})

export const WORK_RECORDS = {
  consumer: Consumer,
  held: Held,
  handed: Handed,
  rewound: Rewound,
  acking: Acking,
  acked: Acked,
  cursor: Cursor,
  webhook: Webhook,
  delivery: Delivery,
  accepted: Accepted,
  redirected: Redirected,
  job: Job,
}
