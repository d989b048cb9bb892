/** A modal dialog: the browser keeps the focus inside, and Escape closes it. Afterwards the focus is where it was. */
import type { ComponentChildren } from 'preact'
import { useId, useLayoutEffect, useRef } from 'preact/hooks'

export interface DialogProps {
  readonly title: string
  readonly onClose: () => void
  readonly children: ComponentChildren
}

export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  // Before the page can take a key: an effect after the next frame would move the focus while somebody types.
  useLayoutEffect(() => {
    const element = dialog.current
    element?.showModal()
    // Focuses the first field, not the button that closes the dialog and would come first.
    element?.querySelector<HTMLElement>('input, select, textarea')?.focus()
    // Gives the focus back: as long as it is open, nothing else can have it.
    return () => element?.close()
  }, [])
  return (
    <dialog
      ref={dialog}
      class="card"
      aria-labelledby={id}
      onClose={event => {
        // Not if its owner has taken the dialog out of the page.
        if (event.currentTarget.isConnected) onClose()
      }}
      onCancel={event => {
        // Closed by its owner, which takes it out of the page.
        event.preventDefault()
        onClose()
      }}
    >
      <div class="heading">
        <h2 id={id}>{title}</h2>
        <button type="button" class="quiet" onClick={onClose}>
          Close
        </button>
      </div>
      {children}
    </dialog>
  )
}
