/** One stream: its figures, its options, and closing or deleting it. */
import { useState } from 'preact/hooks'
import type { StreamDocument } from '../../../../src/streams/stream-document.ts'
import { useApi } from '../../api/api.ts'
import { useEvery } from '../../api/use-every.ts'
import { useRequest } from '../../api/use-request.ts'
import { announce } from '../../pieces/announcements.tsx'
import { ConfirmByName } from '../../pieces/confirm-by-name.tsx'
import { duration, size } from '../../pieces/duration.ts'
import { Facts } from '../../pieces/facts.tsx'
import { Failure } from '../../pieces/failure.tsx'
import { Loading } from '../../pieces/loading.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { hrefOf, navigate } from '../../shell/route.ts'
import { ChangeOptions } from './change-options.tsx'
import { REFRESH_MS, StreamState } from './stream-list.tsx'

const FEED = 'feed'
type Form = 'options' | 'close' | 'delete'

export function StreamView({ name }: { name: string }) {
  const path = `api/streams/${encodeURIComponent(name)}`
  const { data: stream, failure, retryAt, reload } = useRequest<StreamDocument>(api => api.get(path), [path])
  const [form, setForm] = useState<Form>()
  useEvery(REFRESH_MS, reload)
  const isOfJob = stream?.kind === 'job'
  const isOwned = isOfJob || name === FEED
  return (
    <section>
      <p class="back">
        <a href={hrefOf('streams')}>All streams</a>
      </p>
      <PageHeading title={name}>
        {stream && (
          <div class="row">
            {isOfJob ? (
              <a class="button" href={hrefOf('jobs', [name.slice('job:'.length)])}>
                Open the job
              </a>
            ) : (
              <a class="button" href={hrefOf('feed', [], { stream: name })}>
                Follow it
              </a>
            )}
            {!isOfJob && (
              <button type="button" class="quiet" onClick={() => setForm('options')}>
                Change options
              </button>
            )}
            {!isOwned && stream.closed_at === null && (
              <button type="button" class="quiet" onClick={() => setForm('close')}>
                Close
              </button>
            )}
            {!isOwned && (
              <button type="button" class="quiet" onClick={() => setForm('delete')}>
                Delete
              </button>
            )}
          </div>
        )}
      </PageHeading>
      {failure && <Failure failure={failure} retryAt={retryAt} onRetry={reload} />}
      {!stream && !failure && <Loading what="the stream" />}
      {stream && (
        <div class="columns even">
          <Figures stream={stream} />
          <Options stream={stream} />
        </div>
      )}
      {stream && form === 'options' && (
        <ChangeOptions stream={stream} path={path} onClose={() => setForm(undefined)} onDone={reload} />
      )}
      {form === 'close' && (
        <CloseStream name={name} path={path} onClose={() => setForm(undefined)} onDone={reload} />
      )}
      {form === 'delete' && <DeleteStream name={name} path={path} onClose={() => setForm(undefined)} />}
    </section>
  )
}

function Figures({ stream }: { stream: StreamDocument }) {
  const { events, bytes_estimate, head, base, clients_here, created_at, closed_at } = stream
  return (
    <section class="card panel" aria-labelledby="figures-title">
      <h2 id="figures-title">What it holds</h2>
      <Facts
        facts={[
          ['State', <StreamState key="state" stream={stream} />],
          ['Events', events.toLocaleString('en')],
          ['Size', `about ${size(bytes_estimate)}`],
          ['Newest event', <Place key="head" place={head} />],
          ['Removed up to', <Place key="base" place={base} />],
          ['Clients here', clients_here],
          ['Created', created_at && <Moment key="created" at={created_at} long />],
          ['Closed', closed_at && <Moment key="closed" at={closed_at} long />],
        ]}
      />
    </section>
  )
}

function Place({ place: { id, at } }: { place: StreamDocument['head'] }) {
  if (at === null) return <span class="hint">none</span>
  return (
    <>
      <code>{id}</code>, <Moment at={at} long />
    </>
  )
}

function Options({ stream }: { stream: StreamDocument }) {
  const { max_age_seconds, max_events, compact_key, compact_after_seconds } = stream.options
  const after = duration((compact_after_seconds ?? 3_600) * 1_000)
  return (
    <section class="card panel" aria-labelledby="options-title">
      <h2 id="options-title">Options</h2>
      {stream.kind === 'job' ? (
        <p class="hint">Its events are kept with the job.</p>
      ) : (
        <Facts
          facts={[
            [
              'Age of events',
              max_age_seconds === null ? 'as the workspace' : duration(max_age_seconds * 1_000),
            ],
            ['Events', max_events === null ? 'as the workspace' : max_events.toLocaleString('en')],
            [
              'Compaction',
              compact_key === null ? (
                'off'
              ) : (
                <>
                  newest of each <code>{compact_key}</code>, others lose their data after {after}
                </>
              ),
            ],
          ]}
        />
      )}
    </section>
  )
}

interface EndProps {
  readonly name: string
  readonly path: string
  readonly onClose: () => void
}

function CloseStream({ name, path, onClose, onDone }: EndProps & { onDone: () => void }) {
  const api = useApi()
  return (
    <ConfirmByName
      title="Close the stream"
      name={name}
      action="Close it for good"
      onClose={onClose}
      onConfirm={async () => {
        await api.send('POST', `${path}/close`)
        announce(`${name} is closed.`)
        onClose()
        onDone()
      }}
    >
      <p>
        It takes no further event, and its followers get the end. What it holds stays readable. It cannot be
        opened again.
      </p>
    </ConfirmByName>
  )
}

function DeleteStream({ name, path, onClose }: EndProps) {
  const api = useApi()
  return (
    <ConfirmByName
      title="Delete the stream"
      name={name}
      action="Delete it with its events"
      onClose={onClose}
      onConfirm={async () => {
        await api.send('DELETE', path)
        announce(`${name} was deleted.`)
        onClose()
        navigate(hrefOf('streams'))
      }}
    >
      <p>All its events are deleted for good. Its followers get a reset and the end.</p>
    </ConfirmByName>
  )
}
