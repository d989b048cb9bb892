/** The filter of the feed: stream, types and text, and the time when it is opened. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { useRequest } from '../../api/use-request.ts'
import { announce } from '../../pieces/announcements.tsx'
import { allows } from '../../session/principal.ts'
import { useSession } from '../../session/session.ts'
import { navigate } from '../../shell/route.ts'
import { useShortcut } from '../../shell/shortcuts.tsx'
import { FEED, type Filter, feedHref, isTime, placeIn } from './filter.ts'

/** The text is taken over while somebody types, after a pause of this length. */
const PAUSE_MS = 200

export function FilterBar({ filter }: { filter: Filter }) {
  const types = useRef<HTMLInputElement>(null)
  const text = useRef<HTMLInputElement>(null)
  const jump = useRef<HTMLInputElement>(null)
  const [isOpen, setOpen] = useState(filter.from !== '' || filter.until !== '')
  const typing = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useShortcut('/', 'Search in the events', () => text.current?.focus())
  useShortcut('t', 'Filter by type', () => types.current?.focus())
  useShortcut('j', 'Jump to an event or a time', () => {
    // At once: a hidden field takes no focus, and the next key may come before the next rendering.
    if (jump.current?.form) jump.current.form.hidden = false
    jump.current?.focus()
    setOpen(true)
  })
  useEffect(() => () => clearTimeout(typing.current), [])
  useEffect(() => {
    // Changed elsewhere, not by typing.
    if (text.current && document.activeElement !== text.current) text.current.value = filter.text
  }, [filter.text])

  const apply = (change: Partial<Filter>, replace = false) =>
    navigate(feedHref({ ...filter, ...change }), { replace })
  const goTo = () => {
    const place = placeIn(jump.current?.value ?? '')
    if (place === undefined) {
      announce('Write an event id such as 10532.k7f3qa, a position such as #10532, or a time.', {
        isFailure: true,
      })
      return
    }
    const beyond = { ...filter, at: place, from: '', until: '' }
    navigate(isTime(place) ? feedHref(beyond) : feedHref(beyond, place))
  }
  return (
    <search class="filter">
      <form
        id="filter"
        class="row"
        onSubmit={event => {
          event.preventDefault()
          apply({ types: types.current?.value.replaceAll(' ', '') ?? '' })
        }}
      >
        <StreamPicker filter={filter} />
        <label>
          Types
          <input
            ref={types}
            id="types"
            defaultValue={filter.types}
            placeholder="all, or a.*, b.made"
            autocomplete="off"
            spellcheck={false}
            onBlur={event => {
              const value = event.currentTarget.value.replaceAll(' ', '')
              if (value !== filter.types) apply({ types: value })
            }}
          />
        </label>
        <label class="grow">
          Text
          <input
            ref={text}
            id="text"
            type="search"
            defaultValue={filter.text}
            placeholder="anywhere in the event"
            autocomplete="off"
            spellcheck={false}
            onInput={event => {
              const { value } = event.currentTarget
              clearTimeout(typing.current)
              typing.current = setTimeout(() => apply({ text: value }, true), PAUSE_MS)
            }}
          />
        </label>
        <button type="submit" class="unseen">
          Apply the filter
        </button>
        <button type="button" class="quiet low" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          Time
        </button>
      </form>
      <form
        class="row"
        hidden={!isOpen}
        onSubmit={event => {
          event.preventDefault()
          goTo()
        }}
      >
        <TimeField label="From" value={filter.from} onChange={from => apply({ from, at: '' })} />
        <TimeField label="Until" value={filter.until} onChange={until => apply({ until, at: '' })} />
        <label class="grow">
          Jump to
          <input ref={jump} id="jump" placeholder="#10532, 10532.k7f3qa, or a time" autocomplete="off" />
        </label>
        <button type="submit" class="quiet low">
          Jump
        </button>
        <button
          type="button"
          class="quiet low"
          onClick={() => apply({ from: 'beginning', until: '', at: '' })}
        >
          From the beginning
        </button>
      </form>
    </search>
  )
}

function StreamPicker({ filter }: { filter: Filter }) {
  const { principal } = useSession()
  const mayList = allows(principal, 'admin') && !principal.grants
  const { data } = useRequest<{ streams: { name: string }[] }>(
    async api => (mayList ? await api.get('api/streams', { query: { limit: 200 } }) : { streams: [] }),
    [mayList],
  )
  const choose = (value: string) => {
    const stream = value.trim() || FEED
    if (stream !== filter.stream) navigate(feedHref({ ...filter, stream, at: '', from: '' }))
  }
  return (
    <label>
      Stream
      <input
        key={filter.stream}
        id="stream"
        list="streams"
        defaultValue={filter.stream}
        autocomplete="off"
        spellcheck={false}
        onBlur={event => choose(event.currentTarget.value)}
        onChange={event => choose(event.currentTarget.value)}
      />
      <datalist id="streams">
        {data?.streams.map(({ name }) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </label>
  )
}

function TimeField({
  label,
  value,
  onChange,
}: {
  label: string
  value: string
  onChange: (value: string) => void
}) {
  return (
    <label>
      {label}
      <input
        type="datetime-local"
        step="1"
        value={isTime(value) ? localTime(value) : ''}
        onChange={event => {
          const { value: chosen } = event.currentTarget
          onChange(chosen === '' ? '' : new Date(chosen).toISOString())
        }}
      />
    </label>
  )
}

/** As the field of a form has it, by the clock of the reader. */
function localTime(at: string): string {
  const time = new Date(at)
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}
