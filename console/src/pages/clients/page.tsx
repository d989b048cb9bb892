/** Clients: who is connected, who was and why not any more, who got no stream; and what became of an event for them. */
import type { PageProps } from '../../shell/route.ts'
import { ClientList } from './client-list.tsx'
import { ExplainView } from './explain-view.tsx'
import './clients.css'

export default function ClientsPage({ route }: PageProps) {
  return route.rest[0] === 'explain' ? (
    <ExplainView query={route.query} />
  ) : (
    <ClientList query={route.query} />
  )
}
