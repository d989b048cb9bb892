/** What the tests of the command line have in common: its environment, and what a stream holds in the end. */
import { rm } from 'node:fs/promises'
import type { Test } from 'tap'
import type { Role } from '../../src/auth/principal.js'
import { as } from './gateway.js'
import { temporaryFolder } from './server.js'
import { token } from './tokens.js'

/** A folder that is removed when the test is over. */
export async function ownFolder(t: Test): Promise<string> {
  const folder = await temporaryFolder()
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 20 }))
  return folder
}

/** The environment of a command with this gateway and a credential of workspace acme, and without contexts. */
export function gatewayEnvironment(url: string, role: Role = 'editor') {
  return {
    SLUICE_URL: url,
    SLUICE_TOKEN: token({ role, workspace: 'acme', sub: `${role}-of-acme` }),
    XDG_CONFIG_HOME: '/nonexistent',
  }
}

export interface PagedEvent {
  readonly id: string
  readonly position: number
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

/** All events of a stream; none if it does not exist. */
export async function eventsOf(url: string, stream = 'feed'): Promise<PagedEvent[]> {
  const events: PagedEvent[] = []
  for (let after = '0'; ; ) {
    const query = new URLSearchParams({ stream, after, limit: '1000' })
    const response = await fetch(`${url}/api/events?${query}`, {
      headers: { ...as('viewer'), accept: 'application/json' },
    })
    if (response.status === 404) return events
    const page = (await response.json()) as { events: PagedEvent[]; next: string }
    events.push(...page.events)
    if (page.events.length === 0) return events
    after = page.next
  }
}
