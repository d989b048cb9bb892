/** The form that takes credentials: as a page when there are none, in a dialog when the ones before no longer work. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { asProblem } from '../api/problem.ts'
import { credentialsIn } from './credentials.ts'

export interface SignInProps {
  /** Why the credentials before were refused. */
  readonly refusal: string | undefined
  readonly onSignIn: (credentials: string) => Promise<void>
}

export function SignInPage(props: SignInProps) {
  return (
    <main class="enter" id="main">
      <div class="card enter-card">
        <h1>Sign in to Sluice</h1>
        <p class="hint">Every change in your workspace, as it happens.</p>
        <SignInForm {...props} />
        <p class="hint">
          <code>npm start</code> prints two links and three tokens; an admin can give you an API key. This tab
          keeps what you enter until you close it or sign out.
        </p>
      </div>
    </main>
  )
}

export function SignInForm({ refusal, onSignIn }: SignInProps) {
  const field = useRef<HTMLInputElement>(null)
  const [reason, setReason] = useState(refusal)
  const [isBusy, setBusy] = useState(false)
  useEffect(() => field.current?.focus(), [])
  const signIn = async () => {
    const credentials = credentialsIn(field.current?.value ?? '')
    if (credentials === '') return
    setBusy(true)
    setReason(undefined)
    try {
      await onSignIn(credentials)
    } catch (error) {
      setReason(asProblem(error).problem.detail)
      setBusy(false)
      field.current?.select()
    }
  }
  return (
    <form
      class="stack"
      id="sign-in"
      onSubmit={event => {
        event.preventDefault()
        void signIn()
      }}
    >
      {reason && (
        <p class="notice" role="alert">
          {reason}
        </p>
      )}
      <label>
        Token, API key, or the link that the gateway printed
        <input
          ref={field}
          name="credentials"
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
        />
      </label>
      <button type="submit" disabled={isBusy}>
        Sign in
      </button>
    </form>
  )
}
