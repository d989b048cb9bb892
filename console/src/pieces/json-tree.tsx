/**
 * JSON as a tree that opens and closes. Everything is text, never markup: the data is somebody else's input. Closed parts are not
 * in the page, so only the opened parts of large data cost time.
 */
import { useState } from 'preact/hooks'
import { ExactNumber } from './exact-json.ts'

export interface JsonTreeProps {
  readonly value: unknown
  /** How many levels are open at first. Default 2. */
  readonly open?: number
}

/** The members of one object or array that are shown, until the reader asks for more. */
const MAX_MEMBERS = 100
const MAX_TEXT = 1_000

export function JsonTree({ value, open = 2 }: JsonTreeProps) {
  return (
    <div class="json">
      <Value value={value} open={open} />
    </div>
  )
}

function Value({ value, open, name }: { value: unknown; open: number; name?: string }) {
  if (typeof value === 'object' && value !== null && !(value instanceof ExactNumber))
    return <Members value={value} open={open} name={name} />
  return (
    <div class="leaf">
      {name !== undefined && <Name name={name} />}
      <Leaf value={value} />
    </div>
  )
}

function Members({ value, open, name }: { value: object; open: number; name: string | undefined }) {
  const [isOpen, setOpen] = useState(open > 0)
  const [shown, setShown] = useState(MAX_MEMBERS)
  const isArray = Array.isArray(value)
  const names = Object.keys(value)
  const size = isArray ? `[${names.length}]` : `{${names.length}}`
  if (names.length === 0) {
    return (
      <div class="leaf">
        {name !== undefined && <Name name={name} />}
        <span class="size">{isArray ? '[]' : '{}'}</span>
      </div>
    )
  }
  return (
    <details open={isOpen} onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>
        {name !== undefined && <Name name={name} />}
        <span class="size">{size}</span>
      </summary>
      {isOpen && (
        <div class="members">
          {names.slice(0, shown).map(member => (
            <Value key={member} name={member} value={Reflect.get(value, member)} open={open - 1} />
          ))}
          {names.length > shown && (
            <button type="button" class="quiet" onClick={() => setShown(shown + 10 * MAX_MEMBERS)}>
              Show more of {names.length}
            </button>
          )}
        </div>
      )}
    </details>
  )
}

function Name({ name }: { name: string }) {
  return <span class="name">{name}: </span>
}

function Leaf({ value }: { value: unknown }) {
  const [isWhole, setWhole] = useState(false)
  if (typeof value !== 'string') return <span class={`value ${kindOf(value)}`}>{String(value)}</span>
  const isLong = value.length > MAX_TEXT && !isWhole
  return (
    <>
      <span class="value string">{JSON.stringify(isLong ? value.slice(0, MAX_TEXT) : value)}</span>
      {isLong && (
        <button type="button" class="quiet" onClick={() => setWhole(true)}>
          … all {value.length} characters
        </button>
      )}
    </>
  )
}

function kindOf(value: unknown): string {
  if (value instanceof ExactNumber) return 'number'
  return value === null ? 'null' : typeof value
}
