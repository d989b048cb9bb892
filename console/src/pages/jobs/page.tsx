/** Jobs: the list, or one job with its output. */
import type { PageProps } from '../../shell/route.ts'
import { JobList } from './job-list.tsx'
import { JobView } from './job-view.tsx'
import './jobs.css'

export default function JobsPage({ route }: PageProps) {
  const [id] = route.rest
  return id === undefined ? <JobList query={route.query} /> : <JobView key={id} id={id} />
}
