/**
 * The history of a run: one line of JSON for each thing that happened, as it was seen from outside. A run writes it while it goes on
 * (recorder.ts); after the run the rows of the table are added, and the oracle (oracle.ts) decides.
 *
 * The lines of one client are in the order in which it received them; other lines may come in any order. Times are milliseconds of one
 * clock. Events are named by their ids on the wire, bytes by a hash (fingerprint.ts). `k` is always the first member of a line.
 */
import Type, { type Static } from 'typebox'
import Compile from 'typebox/compile'
import { Hash, Name, Stream, Time } from './values.js'
import { WORK_RECORDS } from './work-records.js'

/** The first line. */
export const History = Type.Object({
  k: Type.Literal('history'),
  version: Type.Literal(1),
  seed: Type.Integer(),
  /** Faults that the run has to inject: a run without one of them proves nothing about it. */
  planned: Type.Optional(Type.Array(Name)),
})

/** A client, before its first connection. */
export const Client = Type.Object({
  k: Type.Literal('client'),
  client: Name,
  stream: Stream,
  /** The form in which it gets events; the rows have a hash for each form. */
  form: Name,
  /** It wants these types; default: all. `name*` stands for all that begin so. */
  types: Type.Optional(Type.Array(Name)),
  /** It may see these types; default: all. With none of them it may not see the stream: it has to be refused. */
  granted: Type.Optional(Type.Array(Name)),
  from: Type.Union([Type.Literal('beginning'), Type.Literal('now')]),
})

export const Open = Type.Object({
  k: Type.Literal('open'),
  t: Time,
  c: Name,
  /** The number of the connection, from 1. */
  n: Type.Integer({ minimum: 1 }),
  /** The id that it brought. */
  id: Type.Optional(Type.String()),
})

export const Status = Type.Object({
  k: Type.Literal('status'),
  t: Time,
  c: Name,
  n: Type.Integer(),
  status: Type.Integer(),
  /** A limit of the caller was reached: 503, and when it may come back. No fault has to explain that. */
  isLimit: Type.Optional(Type.Literal(true)),
})

/** An event of the log, as the client received it. */
export const Frame = Type.Object({
  k: Type.Literal('frame'),
  t: Time,
  c: Name,
  n: Type.Integer(),
  id: Name,
  type: Name,
  h: Hash,
})

/** A message that is no event of the log. */
export const Notice = Type.Object({
  k: Type.Literal('notice'),
  t: Time,
  c: Name,
  n: Type.Integer(),
  name: Name,
  id: Type.Optional(Name),
  /** Of a `reset` or `unavailable`. */
  reason: Type.Optional(Name),
})

export const Close = Type.Object({
  k: Type.Literal('close'),
  t: Time,
  c: Name,
  n: Type.Integer(),
  by: Type.Union([Type.Literal('client'), Type.Literal('server'), Type.Literal('broken')]),
})

/** The client left for good; it need not have everything. */
export const Left = Type.Object({ k: Type.Literal('left'), t: Time, c: Name })

/** One transaction that publishes. Each event is recognised in the table by its mark. */
export const Started = Type.Object({
  k: Type.Literal('started'),
  t: Time,
  publish: Name,
  events: Type.Array(Type.Object({ stream: Stream, mark: Name })),
})

/**
 * The outcome of a publish: acknowledged (except for the marks in `undone`, which a savepoint took back), failed (nothing of it is
 * stored), or unknown (the answer was lost).
 */
export const Outcome = Type.Object({
  k: Type.Literal('outcome'),
  t: Time,
  publish: Name,
  outcome: Type.Union([Type.Literal('acknowledged'), Type.Literal('failed'), Type.Literal('unknown')]),
  undone: Type.Optional(Type.Array(Name)),
  /** Why it failed: `rolled back` or `fenced` (by a newer epoch of its producer) on purpose, a status, or a SQLSTATE. */
  why: Type.Optional(Name),
})

/** Something was done to the system. faults.ts says what each may cause. It lasts until it is healed; one that never is, is a moment. */
export const Fault = Type.Object({
  k: Type.Literal('fault'),
  t: Time,
  fault: Name,
  /** Only this stream is concerned. */
  stream: Type.Optional(Stream),
  /** Of `retention`: the id of the last event that it removes, from the stream. */
  base: Type.Optional(Name),
})

/** The latest fault of this name, and of this stream if it has one, has ended. */
export const Healed = Type.Object({
  k: Type.Literal('healed'),
  t: Time,
  fault: Name,
  stream: Type.Optional(Stream),
})

/** Everything is healed and nothing new is published: from now on each client has to get the rest. */
export const Quiet = Type.Object({ k: Type.Literal('quiet'), t: Time })

/** What a process uses. */
export const Sample = Type.Object({
  k: Type.Literal('sample'),
  t: Time,
  process: Name,
  /** Before the load, under it, and after everything is quiet again. */
  phase: Type.Union([Type.Literal('base'), Type.Literal('load'), Type.Literal('end')]),
  measures: Type.Record(Type.String(), Type.Number()),
})

/** How much a process may use of a measure. */
export const Bound = Type.Object({
  k: Type.Literal('bound'),
  measure: Name,
  /** Never more than this. */
  most: Type.Optional(Type.Number()),
  /** At the end not more than this above the base. */
  growth: Type.Optional(Type.Number()),
})

/** A stream as the table has it after the run, before its rows. */
export const Log = Type.Object({
  k: Type.Literal('log'),
  stream: Stream,
  /** The id of the last event that retention has removed, or of the place before the first one. */
  base: Name,
  /** Whether its last event ends it, and nothing may follow: one of these types. */
  terminal: Type.Optional(Type.Array(Name)),
})

/** An event in the table, or one that was in it, in the order of the positions. The rows of a stream may stand before its `log`. */
export const Row = Type.Object({
  k: Type.Literal('row'),
  stream: Stream,
  id: Name,
  type: Name,
  /** By form. A form that does not show the event has no hash. */
  h: Type.Record(Type.String(), Hash),
  mark: Type.Optional(Name),
  /** Compacted during the run: clients may have got it as it was, or not at all. */
  changed: Type.Optional(Type.Literal(true)),
  /** When its data was redacted: until then clients may have got it as it was. */
  redacted: Type.Optional(Time),
  /** A failover or a restore has lost it: the table no longer has it. */
  lost: Type.Optional(Type.Literal(true)),
  /** Of a lost event, and of the first removed one: the id of the one before it in its history. */
  after: Type.Optional(Name),
  /** Retention has removed it: recorded before it went. */
  removed: Type.Optional(Type.Literal(true)),
  /** Of an event of a job: its actor, and the number of the attempt if it is the start of one. */
  by: Type.Optional(Name),
  attempt: Type.Optional(Type.Integer()),
})

const RECORDS = {
  history: History,
  client: Client,
  open: Open,
  status: Status,
  frame: Frame,
  notice: Notice,
  close: Close,
  left: Left,
  started: Started,
  outcome: Outcome,
  fault: Fault,
  healed: Healed,
  quiet: Quiet,
  sample: Sample,
  bound: Bound,
  log: Log,
  row: Row,
  ...WORK_RECORDS,
}

export type Entry = { [Kind in keyof typeof RECORDS]: Static<(typeof RECORDS)[Kind]> }[keyof typeof RECORDS]
export type EntryOf<Kind extends Entry['k']> = Extract<Entry, { k: Kind }>

const checks = new Map(
  Object.entries(RECORDS).map(([kind, schema]) => [
    kind,
    Compile(Type.Object(schema.properties, { additionalProperties: false })),
  ]),
)

/** @throws {Error} for a line that is no entry; the text says which member is wrong. */
export function parseEntry(line: string): Entry {
  const entry: unknown = JSON.parse(line)
  const kind = typeof entry === 'object' && entry !== null && 'k' in entry ? String(entry.k) : ''
  const check = checks.get(kind)
  if (!check) throw new Error(`There is no kind of entry with the name "${kind}".`)
  if (check.Check(entry)) return entry as Entry
  const [error] = check.Errors(entry)
  throw new Error(
    `A line of the kind ${kind} is wrong${error ? ` at ${error.instancePath || '/'}: ${error.message}` : ''}.`,
  )
}

export function lineOf(entry: Entry): string {
  const { k, ...rest } = entry
  return `${JSON.stringify({ k, ...rest })}\n`
}
