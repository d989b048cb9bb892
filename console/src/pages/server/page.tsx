/** The server: whether it can serve requests, its database and its bus, who is connected, and maintenance. */
import { useState } from 'preact/hooks'
import { useApi } from '../../api/api.ts'
import { problemIn, unreachable } from '../../api/problem.ts'
import { useEvery } from '../../api/use-every.ts'
import { useRequest } from '../../api/use-request.ts'
import { announce } from '../../pieces/announcements.tsx'
import { Badge, type Tone } from '../../pieces/badge.tsx'
import { type Fact, Facts } from '../../pieces/facts.tsx'
import { Failure } from '../../pieces/failure.tsx'
import { FormDialog } from '../../pieces/form-dialog.tsx'
import { Loading } from '../../pieces/loading.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { useSession } from '../../session/session.ts'
import { Nodes } from './nodes.tsx'
import { Retention } from './retention.tsx'

/** `GET /ready`; it is the same document when the process is not ready. */
interface Readiness {
  readonly status: 'ready' | 'unready'
  readonly mode: string
  readonly sse: { readonly clients: number; readonly by_kind: Readonly<Record<string, number>> }
  readonly cluster: { readonly nodes: number; readonly clients: number; readonly age_ms: number } | null
  readonly workers?: number
  readonly memory: { readonly state: string; readonly percent: number }
  readonly database: string
  readonly bus: string
  readonly notify_queue_percent?: number
}

const REFRESH_MS = 5_000
const GOOD = ['ready', 'normal', 'up', 'listening', 'ample']
const BAD = ['unready', 'down', 'low', 'not-set-up']
/** What each state means, and what to do about it. */
const MEANINGS: Readonly<Record<string, string>> = {
  degraded: 'Events may be late, or the database refuses changes. It ends by itself when the cause is gone.',
  maintenance: 'Changes are refused; streams and reads continue.',
  draining: 'This process is stopping. Clients reconnect to another one.',
  'read-only':
    'A standby or a demoted primary: streams and reads continue, changes are refused. Promote it, or point DATABASE_URL elsewhere.',
  'not-set-up': 'A role or a privilege is missing; the log of the gateway names it.',
  'database down': 'The database does not answer. Streams continue when it is back.',
  'bus down': 'Events arrive by polling, seconds later, until it is back.',
  off: 'Switched off by configuration: events arrive by polling.',
  tight: 'Caches are emptied.',
  low: 'New streams and bodies are refused. Give the process more memory, or start another one.',
}

export default function ServerPage() {
  const { principal } = useSession()
  const { data, failure, retryAt, reload } = useRequest(readReadiness, [])
  const [isSwitching, setSwitching] = useState(false)
  useEvery(REFRESH_MS, reload)
  const isMaintained = data?.mode === 'maintenance'
  return (
    <section>
      <PageHeading title="Server">
        {data && principal.is_operator && (
          <button type="button" class="quiet" onClick={() => setSwitching(true)}>
            {isMaintained ? 'End maintenance' : 'Start maintenance'}
          </button>
        )}
      </PageHeading>
      {failure && <Failure failure={failure} retryAt={retryAt} onRetry={reload} />}
      {!data && !failure && <Loading what="the state of the server" />}
      {data && (
        <div class="columns even">
          <StateCard readiness={data} />
          <Connections readiness={data} />
          {principal.grants === null && <Retention />}
        </div>
      )}
      {principal.is_operator && <Nodes />}
      {isSwitching && (
        <Switch
          isMaintained={isMaintained}
          onClose={() => setSwitching(false)}
          onDone={() => {
            setSwitching(false)
            reload()
          }}
        />
      )}
    </section>
  )
}

async function readReadiness(_: unknown, signal: AbortSignal): Promise<Readiness> {
  const response = await fetch('ready', { signal, cache: 'no-store' }).catch((error: unknown) => {
    throw signal.aborted ? error : unreachable()
  })
  if (!response.ok && response.status !== 503) throw await problemIn(response)
  const body: Readiness = await response.clone().json()
  // A proxy answers 503 too, when no gateway is behind it.
  if (body.database === undefined) throw await problemIn(response)
  return body
}

function StateCard({ readiness }: { readiness: Readiness }) {
  const { status, mode, database, bus, memory, notify_queue_percent } = readiness
  return (
    <section class="card panel" aria-labelledby="state-title">
      <h2 id="state-title">State</h2>
      <Facts
        facts={[
          ['Process', <Word key="status" word={status} />],
          ['Mode', <Word key="mode" word={mode} />],
          ['Database', <Word key="database" word={database} of="database" />],
          ['Bus', <Word key="bus" word={bus} of="bus" />],
          ['NOTIFY queue', notify_queue_percent !== undefined && `${notify_queue_percent} % full`],
          ['Memory', <Word key="memory" word={memory.state} more={`${memory.percent} %`} />],
        ]}
      />
    </section>
  )
}

function Word({ word, of, more }: { word: string; of?: string; more?: string }) {
  const meaning = MEANINGS[`${of} ${word}`] ?? MEANINGS[word]
  return (
    <>
      <Badge text={word} tone={toneOf(word)} /> {more}
      {meaning && <span class="hint block">{meaning}</span>}
    </>
  )
}

function toneOf(word: string): Tone {
  if (GOOD.includes(word)) return 'green'
  return BAD.includes(word) ? 'red' : 'amber'
}

function Connections({ readiness: { sse, cluster, workers } }: { readiness: Readiness }) {
  const byKind = Object.entries(sse.by_kind).map(([kind, count]): Fact => [`of kind ${kind}`, count])
  return (
    <section class="card panel" aria-labelledby="clients-title">
      <h2 id="clients-title">Open streams</h2>
      <Facts
        facts={[
          [workers === undefined ? 'This process' : `These ${workers} workers`, sse.clients],
          ...byKind,
          ['All nodes', cluster && `${cluster.clients} on ${cluster.nodes}`],
        ]}
      />
      {cluster === null && <p class="hint">The figures of the cluster come with the first heartbeat.</p>}
    </section>
  )
}

interface SwitchProps {
  readonly isMaintained: boolean
  readonly onClose: () => void
  readonly onDone: () => void
}

function Switch({ isMaintained, onClose, onDone }: SwitchProps) {
  const api = useApi()
  const action = isMaintained ? 'End maintenance' : 'Start maintenance'
  return (
    <FormDialog
      title={action}
      action={action}
      isDangerous={!isMaintained}
      onClose={onClose}
      onSubmit={async () => {
        await api.send('PUT', 'api/server/state', { mode: isMaintained ? 'normal' : 'maintenance' })
        announce(isMaintained ? 'Maintenance has ended.' : 'Maintenance has begun.')
        onDone()
      }}
    >
      <p>
        {isMaintained
          ? 'All gateways accept changes again.'
          : 'All gateways on this database, for all workspaces, refuse changes with 503 until you end it. Streams and reads continue.'}
      </p>
    </FormDialog>
  )
}
