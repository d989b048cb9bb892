/**
 * Actions that are not needed often, behind a button. Escape, a choice, or a click elsewhere, closes it. The focus is on its button then,
 * so that a dialog which an action opens gives it back there.
 */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

export function MoreMenu({ label, children }: { label: string; children: ComponentChildren }) {
  const menu = useRef<HTMLDetailsElement>(null)
  useEffect(() => {
    const close = (event: Event) => {
      const isInside = event.target instanceof Node && menu.current?.contains(event.target)
      if (menu.current && !isInside) menu.current.open = false
    }
    document.addEventListener('pointerdown', close)
    document.addEventListener('focusin', close)
    return () => {
      document.removeEventListener('pointerdown', close)
      document.removeEventListener('focusin', close)
    }
  }, [])
  const close = () => {
    if (!menu.current) return
    menu.current.open = false
    menu.current.querySelector('summary')?.focus()
  }
  return (
    <details
      ref={menu}
      class="dropdown"
      onKeyDown={event => {
        if (event.key !== 'Escape' || !menu.current?.open) return
        event.stopPropagation()
        close()
      }}
      // Before the action itself, which may open a dialog at once.
      onClickCapture={event => {
        if (event.target instanceof Element && event.target.closest('.actions button')) close()
      }}
    >
      <summary>{label}</summary>
      <div class="card actions">{children}</div>
    </details>
  )
}
