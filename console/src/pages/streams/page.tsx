/** Streams: the list with rates, sizes and clients, or one stream with the actions of an admin. */
import type { PageProps } from '../../shell/route.ts'
import { StreamList } from './stream-list.tsx'
import { StreamView } from './stream-view.tsx'

export default function StreamsPage({ route }: PageProps) {
  const [name] = route.rest
  return name === undefined ? <StreamList query={route.query} /> : <StreamView key={name} name={name} />
}
