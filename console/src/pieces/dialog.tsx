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
    // Not the button that closes it, which would come first.
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
        // Not when its owner has taken it out of the page.
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

export interface ConfirmProps {
  readonly title: string
  /** What happens, and whether it can be undone. */
  readonly children: ComponentChildren
  /** The verb of the button, such as `Revoke the key`. */
  readonly action: string
  readonly onConfirm: () => void
  readonly onClose: () => void
}

/** Asks before something that cannot be undone. */
export function Confirm({ title, children, action, onConfirm, onClose }: ConfirmProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="stack">
        <div>{children}</div>
        <button
          type="button"
          class="danger"
          onClick={() => {
            onClose()
            onConfirm()
          }}
        >
          {action}
        </button>
      </div>
    </Dialog>
  )
}
