/** A new key, which is shown only here: closing asks once whether it is stored. */
import { useState } from 'preact/hooks'
import type { CreatedApiKey } from '../../../../src/auth/api-keys/api-key.ts'
import { CopyButton } from '../../pieces/copy-button.tsx'
import { Dialog } from '../../pieces/dialog.tsx'

export function Secret({ made, onClose }: { made: CreatedApiKey; onClose: () => void }) {
  const [isAsked, setAsked] = useState(false)
  return (
    <Dialog title={`The key ${made.name}`} onClose={() => (isAsked ? onClose() : setAsked(true))}>
      <div class="stack">
        <p>
          Store it now, where the program finds it. The gateway keeps only a hash, and cannot show it again.
        </p>
        <code class="command" id="secret">
          {made.key}
        </code>
        <div class="row">
          <CopyButton text={made.key} done="The key was copied.">
            Copy
          </CopyButton>
          {isAsked ? (
            <button type="button" onClick={onClose}>
              Yes, it is stored
            </button>
          ) : (
            <button type="button" onClick={onClose}>
              I have stored it
            </button>
          )}
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
