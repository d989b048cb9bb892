/** Items: the list, or one item with its revisions and its history. */
import type { PageProps } from '../../shell/route.ts'
import { ItemList } from './item-list.tsx'
import { ItemView } from './item-view.tsx'
import './items.css'

export default function ItemsPage({ route }: PageProps) {
  const [partNumber] = route.rest
  return partNumber === undefined ? (
    <ItemList query={route.query} />
  ) : (
    <ItemView key={partNumber} partNumber={partNumber} />
  )
}
