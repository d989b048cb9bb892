/** The tokens of the load, which last longer than any run. A caller whose token was refused gets a new one, as after a login. */
import { secondsFromNow, token } from '../../harness/tokens.js'

const LIFE_SECONDS = 12 * 3_600

export interface Caller {
  readonly workspace: string
  readonly principal: string
  readonly role: 'viewer' | 'editor' | 'admin' | 'runner'
  /** The claim `sluice`. Default: all that the role allows. */
  readonly grants?: object | undefined
}

/** @returns the header `Authorization` for each request. Its argument says whether the last request was refused. */
export function authorizationOf({
  workspace,
  principal,
  role,
  grants,
}: Caller): (isRefused: boolean) => string {
  const issue = () => {
    const times = { iat: secondsFromNow(0), exp: secondsFromNow(LIFE_SECONDS) }
    return `Bearer ${token({ sub: principal, workspace, role, ...times, ...(grants && { sluice: grants }) })}`
  }
  let current = issue()
  return isRefused => {
    if (isRefused) current = issue()
    return current
  }
}
