/** Clients: those that are connected, those that were and why they left, those that got no stream; and whether they got an event. */
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
