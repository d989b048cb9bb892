/**
 * Shortcuts of one key. A page registers its own with `useShortcut`, and `?` lists all that work at the moment. They do nothing
 * while somebody types, and can be switched off, because software that takes dictation sends single keys.
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import { Dialog } from '../pieces/dialog.tsx'

interface Shortcut {
  readonly key: string
  readonly meaning: string
  readonly run: () => void
}

const OFF = 'sluice.shortcuts'
const shortcuts = new Set<Shortcut>()

/** @param key as in KeyboardEvent.key, such as `p` or `/`. */
export function useShortcut(key: string, meaning: string, run: () => void): void {
  const latest = useRef(run)
  latest.current = run
  useEffect(() => {
    const shortcut = { key, meaning, run: () => latest.current() }
    shortcuts.add(shortcut)
    return () => {
      shortcuts.delete(shortcut)
    }
  }, [key, meaning])
}

addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
  if (localStorage.getItem(OFF) === 'off' || isTyping(event.target)) return
  const found = [...shortcuts].findLast(({ key }) => key === event.key)
  if (!found) return
  event.preventDefault()
  found.run()
})

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.matches('input, textarea, select, [contenteditable]') || target.closest('dialog') !== null
}

export function ShortcutsDialog() {
  const [isOpen, setOpen] = useState(false)
  const [isOff, setOff] = useState(localStorage.getItem(OFF) === 'off')
  useShortcut('?', 'Show the shortcuts', () => setOpen(true))
  if (!isOpen) return null
  return (
    <Dialog title="Shortcuts" onClose={() => setOpen(false)}>
      <dl class="shortcuts">
        {[...shortcuts].map(({ key, meaning }) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={!isOff}
          onChange={event => {
            localStorage.setItem(OFF, event.currentTarget.checked ? 'on' : 'off')
            setOff(!event.currentTarget.checked)
          }}
        />
        Shortcuts of one key are on
      </label>
    </Dialog>
  )
}
