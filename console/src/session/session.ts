/**
 * The session of this tab.
 *
 * signed out ──▶ signed in ──▶ expired: the gateway refused the credentials. The pages stay as they are, under a dialog that
 *     ▲              │  ▲          asks for new ones; with these they go on where they were.
 *     └── sign out ──┘  └──────────┘
 */
import { createContext } from 'preact'
import { useCallback, useContext, useEffect, useState } from 'preact/hooks'
import { forgetCredentials, keepCredentials, readCredentials } from './credentials.ts'
import { type Principal, principalOf } from './principal.ts'

export interface Session {
  readonly credentials: string
  readonly principal: Principal
  /** Why the credentials no longer work; undefined while they do. */
  readonly refusal: string | undefined
}

export interface SessionActions {
  signIn(credentials: string): void
  signOut(): void
  /** The gateway refused the credentials: they are forgotten, and the pages stay. */
  expire(reason: string): void
}

export function useSessionState(): [Session | undefined, SessionActions] {
  const [session, setSession] = useState(stored)
  const signIn = useCallback((credentials: string) => {
    keepCredentials(credentials)
    setSession({ credentials, principal: principalOf(credentials), refusal: undefined })
  }, [])
  const signOut = useCallback(() => {
    forgetCredentials()
    setSession(undefined)
  }, [])
  const expire = useCallback((refusal: string) => {
    forgetCredentials()
    setSession(before => before && { ...before, refusal })
  }, [])
  // A link with `#token=…` that is opened in this tab.
  useEffect(() => {
    const read = () => {
      if (location.hash.startsWith('#token=')) setSession(stored())
    }
    addEventListener('hashchange', read)
    return () => removeEventListener('hashchange', read)
  }, [])
  return [session, { signIn, signOut, expire }]
}

function stored(): Session | undefined {
  const credentials = readCredentials()
  if (credentials === undefined) return undefined
  return { credentials, principal: principalOf(credentials), refusal: undefined }
}

export const SessionContext = createContext<(Session & SessionActions) | undefined>(undefined)

export function useSession(): Session & SessionActions {
  const session = useContext(SessionContext)
  if (!session) throw new Error('There is no session around this component.')
  return session
}
