/** Asks for the name of a thing before it is destroyed, so that nobody destroys another one by a habit of clicking. */
import type { ComponentChildren } from 'preact'
import { FormDialog, textIn } from './form-dialog.tsx'

export interface ConfirmByNameProps {
  readonly title: string
  readonly name: string
  readonly action: string
  readonly onConfirm: () => Promise<void>
  readonly onClose: () => void
  /** What happens, and that it cannot be undone. */
  readonly children: ComponentChildren
}

export function ConfirmByName({ name, onConfirm, children, ...dialog }: ConfirmByNameProps) {
  return (
    <FormDialog
      {...dialog}
      isDangerous
      onSubmit={async form => {
        if (textIn(form, 'name') !== name) throw new Error('The name is another one. Nothing was changed.')
        await onConfirm()
      }}
    >
      {children}
      <label>
        <span>
          Type <code>{name}</code> to confirm
        </span>
        <input name="name" autocomplete="off" spellcheck={false} required />
      </label>
    </FormDialog>
  )
}
