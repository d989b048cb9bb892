/**
 * The session of this tab.
 *
 * checking ──▶ signed in ──▶ expired: the gateway refused the credentials. The pages stay as they are, under a dialog that
 *   │  ▲           │  ▲          asks for new ones; with these they go on where they were.
 *   ▼  │ sign in   │  └──────────┘
 * signed out ◀─────┘ sign out
 *
 * Checking asks the gateway whom the credentials belong to; while nobody answers, it asks again and again.
 */
import { createContext } from 'preact'
import { useCallback, useContext, useEffect, useRef, useState } from 'preact/hooks'
import { asProblem, type ProblemError } from '../api/problem.ts'
import { forgetCredentials, keepCredentials, readCredentials } from './credentials.ts'
import { type Principal, principalOf } from './principal.ts'

export interface Session {
  readonly credentials: string
  readonly principal: Principal
  /** Why the credentials no longer work; undefined while they do. */
  readonly refusal: string | undefined
}

export type SessionState =
  | { readonly name: 'signed-out'; readonly refusal?: string }
  | {
      readonly name: 'checking'
      readonly credentials: string
      readonly failure?: ProblemError
      readonly retryAt?: number
    }
  | ({ readonly name: 'signed-in' } & Session)

export interface SessionActions {
  /** @throws {ProblemError} if the gateway refuses the credentials. */
  signIn(credentials: string): Promise<void>
  signOut(): void
  /** The gateway refused the credentials: they are forgotten, and the pages stay. Resolves when there are new ones. */
  expire(reason: string): Promise<void>
}

const RETRY_MS = 2_000

export function useSessionState(): [SessionState, SessionActions] {
  const [state, setState] = useState<SessionState>(stored)
  const waiting = useRef<(() => void)[]>([])

  const signIn = useCallback(async (credentials: string) => {
    const principal = await principalOf(credentials)
    keepCredentials(credentials)
    setState({ name: 'signed-in', credentials, principal, refusal: undefined })
    // After the pages have got the new credentials.
    setTimeout(() => {
      for (const renewed of waiting.current.splice(0)) renewed()
    })
  }, [])
  const signOut = useCallback(() => {
    forgetCredentials()
    setState({ name: 'signed-out' })
  }, [])
  const expire = useCallback((refusal: string) => {
    forgetCredentials()
    setState(before => (before.name === 'signed-in' ? { ...before, refusal } : before))
    return new Promise<void>(resolve => waiting.current.push(resolve))
  }, [])

  const checked = state.name === 'checking' ? state.credentials : undefined
  useEffect(() => {
    if (checked === undefined) return
    let timer: ReturnType<typeof setTimeout> | undefined
    let isOver = false
    const check = () => {
      signIn(checked).catch((error: unknown) => {
        if (isOver) return
        const failure = asProblem(error)
        if (!failure.isTemporary) {
          forgetCredentials()
          setState({ name: 'signed-out', refusal: failure.problem.detail })
          return
        }
        setState({ name: 'checking', credentials: checked, failure, retryAt: Date.now() + RETRY_MS })
        timer = setTimeout(check, RETRY_MS)
      })
    }
    check()
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  }, [checked, signIn])

  // A link with `#token=…` that is opened in this tab.
  useEffect(() => {
    const read = () => {
      if (location.hash.startsWith('#token=')) setState(stored())
    }
    addEventListener('hashchange', read)
    return () => removeEventListener('hashchange', read)
  }, [])
  return [state, { signIn, signOut, expire }]
}

function stored(): SessionState {
  const credentials = readCredentials()
  return credentials === undefined ? { name: 'signed-out' } : { name: 'checking', credentials }
}

export const SessionContext = createContext<(Session & SessionActions) | undefined>(undefined)

export function useSession(): Session & SessionActions {
  const session = useContext(SessionContext)
  if (!session) throw new Error('There is no session around this component.')
  return session
}
