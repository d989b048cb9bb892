/** A new secret, which is shown only here: closing asks once whether it is stored. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { CopyButton } from './copy-button.tsx'
import { Dialog } from './dialog.tsx'

export interface SecretDialogProps {
  readonly title: string
  readonly secret: string
  /** Said when it was copied. */
  readonly copied: string
  readonly onClose: () => void
  /** Where to store it, and why now. */
  readonly children: ComponentChildren
}

export function SecretDialog({ title, secret, copied, onClose, children }: SecretDialogProps) {
  const [isAsked, setAsked] = useState(false)
  return (
    <Dialog title={title} onClose={() => (isAsked ? onClose() : setAsked(true))}>
      <div class="stack">
        <p>{children}</p>
        <code class="command" id="secret">
          {secret}
        </code>
        <div class="row">
          <CopyButton text={secret} done={copied}>
            Copy
          </CopyButton>
          <button type="button" onClick={onClose}>
            {isAsked ? 'Yes, it is stored' : 'I have stored it'}
          </button>
        </div>
        {isAsked && (
          <p class="notice" role="alert">
            Is it stored? When this closes, nobody can see it again.
          </p>
        )}
      </div>
    </Dialog>
  )
}
