/**
 * Lists the clients of a stream in the other nodes. A node that wants to know asks in the database; those that have clients of the stream
 * answer with their next heartbeats, until nobody has asked for 20 s. So the first answer takes up to two seconds, and those that follow
 * are at most as old.
 */
import type { PlacedClient } from '../clients/stream-client.js'
import type { Database } from '../database/pool.js'
import type { StreamId, StreamName } from '../log/event.js'
import { elapsed } from '../process/deadline.js'

/** A node that has not answered by then is cut off, or too busy for its heartbeats. */
const PATIENCE_MS = 5_000
const LOOK_EVERY_MS = 200

/** A page of the clients of a stream. */
export interface ClientPage {
  readonly stream: StreamId
  /** The place of the last client of the page before; empty for the first page. */
  readonly after: string
}

/** A page that this process answers for. */
export interface AnsweredPage extends ClientPage {
  /** The stream that has this number in the log. */
  readonly named: StreamName
}

/** The clients of this process on a page. */
export type ClientsOn = (page: AnsweredPage) => readonly PlacedClient[]

export interface ListedClients {
  readonly clients: readonly PlacedClient[]
  /** False if a node has not answered in time. */
  readonly isComplete: boolean
}

interface Answer {
  /** Undefined: none yet. */
  readonly clients: readonly PlacedClient[] | undefined
}

/** @param node the id of this process, which is not asked. */
export async function askForClients(
  database: Database,
  page: ClientPage,
  node: string,
  patienceMs = PATIENCE_MS,
): Promise<ListedClients> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    const answers = await readAnswers(database, page, node)
    const isComplete = answers.every(({ clients }) => clients !== undefined)
    if (isComplete || performance.now() > deadline)
      return { clients: answers.flatMap(({ clients }) => clients ?? []), isComplete }
    await elapsed(LOOK_EVERY_MS)
  }
}

async function readAnswers(
  database: Database,
  { stream, after }: ClientPage,
  node: string,
): Promise<Answer[]> {
  const { rows } = await database.query<{ clients: string | null }>({
    name: 'sluice-ask-clients',
    text: 'select clients from sluice.ask_clients($1, $2, $3)',
    values: [stream, after, node],
  })
  return rows.map(({ clients }) => ({ clients: clients === null ? undefined : JSON.parse(clients) }))
}

/** Stores the answers of this process. */
export async function answerQuestions(
  database: Database,
  node: string,
  questions: readonly ClientPage[],
  clientsOn: ClientsOn,
): Promise<void> {
  const names = await readNames(
    database,
    questions.map(({ stream }) => stream),
  )
  const answerTo = (question: ClientPage) => {
    const named = names.get(question.stream)
    return named ? clientsOn({ ...question, named }) : []
  }
  await database.query({
    name: 'sluice-answer-clients',
    text: 'select sluice.answer_clients($1, $2, $3, $4)',
    values: [
      node,
      questions.map(({ stream }) => stream),
      questions.map(({ after }) => after),
      questions.map(question => JSON.stringify(answerTo(question))),
    ],
  })
}

async function readNames(
  database: Database,
  streams: readonly StreamId[],
): Promise<ReadonlyMap<StreamId, StreamName>> {
  const { rows } = await database.query<StreamName & { id: StreamId }>({
    name: 'sluice-stream-names',
    text: 'select s.id, s.workspace, s.name from sluice.streams s where s.id = any ($1::bigint[])',
    values: [streams],
  })
  return new Map(rows.map(({ id, workspace, name }) => [id, { workspace, name }]))
}
