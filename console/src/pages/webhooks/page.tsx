/** Webhooks: the list with their health, or one with its attempts and the actions of an admin. */
import type { PageProps } from '../../shell/route.ts'
import { WebhookList } from './webhook-list.tsx'
import { WebhookView } from './webhook-view.tsx'

export default function WebhooksPage({ route }: PageProps) {
  const [id] = route.rest
  return id === undefined ? (
    <WebhookList query={route.query} />
  ) : (
    <WebhookView key={id} id={id} query={route.query} />
  )
}
