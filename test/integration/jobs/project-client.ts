/** Calls of a workspace's people on projects and their commands, over HTTP. */
import type { Role } from '../../../src/auth/principal.js'
import { as } from '../../harness/gateway.js'

export type { Project } from '../../../src/jobs/project.js'

/** What every entry of an admin's action names. */
export const ORIGIN_LIKE = { principal: 'admin-of-acme', address: '127.0.0.1', request_id: String }

export interface Answer<Body> {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
}

export async function ask<Body = Record<string, unknown>>(
  url: string,
  caller: Role | { readonly authorization: string },
  method: string,
  path: string,
  body?: object,
  workspace = 'acme',
): Promise<Answer<Body>> {
  const identity = typeof caller === 'string' ? as(caller, workspace) : caller
  const response = await fetch(url + path, {
    method,
    headers: { accept: 'application/json', ...identity, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: (text && JSON.parse(text)) as Body }
}
