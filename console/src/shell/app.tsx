/** The console: the sign-in page, or the shell with the navigation and the page of the current place. */
import type { ComponentChildren } from 'preact'
import { useMemo, useRef } from 'preact/hooks'
import { ApiContext, createApi } from '../api/api.ts'
import { Announcements } from '../pieces/announcements.tsx'
import { Dialog } from '../pieces/dialog.tsx'
import { Failure } from '../pieces/failure.tsx'
import { Loading } from '../pieces/loading.tsx'
import { type Session, type SessionActions, SessionContext, useSessionState } from '../session/session.ts'
import { SignInForm, SignInPage } from '../session/sign-in.tsx'
import { Brand, Shell } from './shell.tsx'

export function App() {
  const [state, actions] = useSessionState()
  switch (state.name) {
    case 'signed-out':
      return (
        <Outside>
          <SignInPage key={state.refusal} refusal={state.refusal} onSignIn={actions.signIn} />
        </Outside>
      )
    case 'checking':
      return (
        <Outside onSignOut={actions.signOut}>
          <main class="enter" id="main">
            {state.failure ? (
              <Failure failure={state.failure} retryAt={state.retryAt} />
            ) : (
              <Loading what="the console" />
            )}
          </main>
        </Outside>
      )
    case 'signed-in':
      return <SignedIn session={state} actions={actions} />
  }
}

function SignedIn({ session, actions }: { session: Session; actions: SessionActions }) {
  const { credentials, principal, refusal } = session
  const { expire, signIn, signOut } = actions
  // Stays the same for new credentials, so that pages and streams go on where they were.
  const current = useRef(credentials)
  current.current = credentials
  const api = useMemo(() => createApi({ credentials: () => current.current, expire }), [expire])
  return (
    <SessionContext.Provider value={{ ...session, ...actions }}>
      <ApiContext.Provider value={api}>
        {/* The pages of another principal begin anew. */}
        <Shell key={`${principal.workspace}/${principal.id}/${principal.role}`} />
        {refusal !== undefined && (
          <Dialog title="Sign in again" onClose={signOut}>
            <SignInForm refusal={refusal} onSignIn={signIn} />
            <p class="hint">This page stays as it is, and goes on where it was.</p>
          </Dialog>
        )}
        <Announcements />
      </ApiContext.Provider>
    </SessionContext.Provider>
  )
}

/** The frame of everything that needs no credentials. */
function Outside({ children, onSignOut }: { children: ComponentChildren; onSignOut?: () => void }) {
  return (
    <>
      <header class="bar">
        <Brand />
        {onSignOut && (
          <button type="button" class="quiet end" id="sign-out" onClick={onSignOut}>
            Sign out
          </button>
        )}
      </header>
      {children}
    </>
  )
}
