/** The form that takes credentials: as a page when there are none, in a dialog when the ones before no longer work. */
import { useEffect, useRef } from 'preact/hooks'
import { credentialsIn } from './credentials.ts'

export interface SignInProps {
  readonly refusal: string | undefined
  readonly onSignIn: (credentials: string) => void
}

export function SignInPage(props: SignInProps) {
  return (
    <main class="enter" id="main">
      <div class="card enter-card">
        <h1>Database Activity</h1>
        <p class="hint">Every change in your workspace, as it happens. Sign in to follow it.</p>
        <SignInForm {...props} />
        <p class="hint">
          <code>npm start</code> prints a link, a viewer token and an editor token. This tab keeps what you
          enter until you close it or sign out.
        </p>
      </div>
    </main>
  )
}

export function SignInForm({ refusal, onSignIn }: SignInProps) {
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])
  return (
    <form
      class="stack"
      id="sign-in"
      onSubmit={event => {
        event.preventDefault()
        const credentials = credentialsIn(field.current?.value ?? '')
        if (credentials !== '') onSignIn(credentials)
      }}
    >
      {refusal && (
        <p class="notice" role="alert">
          {refusal}
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
      <button type="submit">Sign in</button>
    </form>
  )
}
