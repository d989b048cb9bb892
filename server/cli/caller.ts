/** The caller as the gateway sees it (GET /api/principal). */
import type { Client } from '../../clients/typescript/src/client.js'

export interface Caller {
  readonly id: string
  readonly workspace: string
  readonly role: string
  readonly expires_at: string | null
}

export async function callerOf({ gateway }: Client): Promise<Caller> {
  return (await gateway.request<Caller>('GET', '/api/principal')).body
}

/** `ada (editor of acme)` */
export function nameOfCaller({ id, role, workspace }: Caller): string {
  return `${id} (${role} of ${workspace})`
}
