/**
 * All pages, in the order of the navigation. A page is loaded when it is opened for the first time. A new page is a folder in
 * pages/ with a `page.tsx` whose default export is the component, and an entry here.
 */
import type { ComponentType } from 'preact'
import { allows, type Principal } from '../session/principal.ts'
import type { PageProps } from './route.ts'

export interface Page {
  /** In the address: `#/feed`. */
  readonly name: string
  readonly title: string
  readonly group: 'Live' | 'Data' | 'Operations'
  /** The lowest role that may use it. */
  readonly role: 'viewer' | 'editor' | 'admin'
  /** The part of the API that it shows, if a gateway may lack it. */
  readonly part?: 'items' | 'jobs' | 'keys' | 'audit'
  /** Why credentials with grants cannot use it: it is about the whole workspace, or about all workspaces. */
  readonly scope?: 'workspace' | 'gateway'
  readonly load: () => Promise<{ default: ComponentType<PageProps> }>
}

const PAGES: readonly Page[] = [
  {
    name: 'feed',
    title: 'Feed',
    group: 'Live',
    role: 'viewer',
    load: () => import('../pages/feed/page.tsx'),
  },
  {
    name: 'overview',
    title: 'Overview',
    group: 'Live',
    role: 'admin',
    scope: 'gateway',
    load: () => import('../pages/overview/page.tsx'),
  },
  {
    name: 'items',
    title: 'Items',
    group: 'Data',
    role: 'viewer',
    part: 'items',
    load: () => import('../pages/items/page.tsx'),
  },
  {
    name: 'jobs',
    title: 'Jobs',
    group: 'Data',
    role: 'viewer',
    part: 'jobs',
    load: () => import('../pages/jobs/page.tsx'),
  },
  {
    name: 'consumers',
    title: 'Consumers',
    group: 'Data',
    role: 'viewer',
    load: () => import('../pages/consumers/page.tsx'),
  },
  {
    name: 'streams',
    title: 'Streams',
    group: 'Operations',
    role: 'admin',
    scope: 'workspace',
    load: () => import('../pages/streams/page.tsx'),
  },
  {
    name: 'clients',
    title: 'Clients',
    group: 'Operations',
    role: 'admin',
    scope: 'workspace',
    load: () => import('../pages/clients/page.tsx'),
  },
  {
    name: 'webhooks',
    title: 'Webhooks',
    group: 'Operations',
    role: 'admin',
    scope: 'workspace',
    load: () => import('../pages/webhooks/page.tsx'),
  },
  {
    name: 'keys',
    title: 'API keys',
    group: 'Operations',
    role: 'admin',
    part: 'keys',
    load: () => import('../pages/keys/page.tsx'),
  },
  {
    name: 'revocations',
    title: 'Revocations',
    group: 'Operations',
    role: 'admin',
    scope: 'workspace',
    load: () => import('../pages/revocations/page.tsx'),
  },
  {
    name: 'audit',
    title: 'Audit log',
    group: 'Operations',
    role: 'admin',
    part: 'audit',
    scope: 'workspace',
    load: () => import('../pages/audit/page.tsx'),
  },
  {
    name: 'server',
    title: 'Server',
    group: 'Operations',
    role: 'admin',
    load: () => import('../pages/server/page.tsx'),
  },
]

/** The pages that the principal may use. */
export function pagesFor(principal: Principal): readonly Page[] {
  const { grants, is_operator, parts } = principal
  return PAGES.filter(
    ({ role, part, scope }) =>
      allows(principal, role) &&
      (part === undefined || parts.includes(part)) &&
      (scope === undefined || !grants) &&
      (scope !== 'gateway' || is_operator),
  )
}
