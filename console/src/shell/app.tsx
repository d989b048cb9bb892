/** The console: the sign-in page, or the shell with the navigation and the page of the current place. */
import { useMemo } from 'preact/hooks'
import { ApiContext, createApi } from '../api/api.ts'
import { Announcements } from '../pieces/announcements.tsx'
import { Dialog } from '../pieces/dialog.tsx'
import { SessionContext, useSessionState } from '../session/session.ts'
import { SignInForm, SignInPage } from '../session/sign-in.tsx'
import { Brand, Shell } from './shell.tsx'

export function App() {
  const [session, actions] = useSessionState()
  const { signIn, signOut, expire } = actions
  const credentials = session?.credentials ?? ''
  const api = useMemo(() => createApi(credentials, expire), [credentials, expire])

  if (!session) {
    return (
      <>
        <header class="bar">
          <Brand />
        </header>
        <SignInPage refusal={undefined} onSignIn={signIn} />
        <Announcements />
      </>
    )
  }
  const { workspace, id } = session.principal
  return (
    <SessionContext.Provider value={{ ...session, ...actions }}>
      <ApiContext.Provider value={api}>
        {/* The pages of another principal begin anew. */}
        <Shell key={`${workspace}/${id}`} />
        {session.refusal !== undefined && (
          <Dialog title="Sign in again" onClose={signOut}>
            <SignInForm refusal={session.refusal} onSignIn={signIn} />
            <p class="hint">What you see stays here, and continues where it was.</p>
          </Dialog>
        )}
        <Announcements />
      </ApiContext.Provider>
    </SessionContext.Provider>
  )
}
