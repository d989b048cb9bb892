/** Selects events by their content: `data.project eq "A12"`. */
import { EventContent, type FilteredEvent, type Paths } from './event-content.js'
import { combine, type Expression, isTrue, pathsOf } from './expression.js'
import { treeOf } from './path.js'
import { parseWhere } from './where-parser.js'

export class ContentFilter {
  readonly #paths: Paths

  private constructor(readonly expression: Expression) {
    const all = pathsOf(expression)
    this.#paths = { all, tree: treeOf(all) }
  }

  /** @throws {Problem} 400 `invalid-where`. */
  static parse(text: string): ContentFilter {
    return new ContentFilter(parseWhere(text))
  }

  get key(): string {
    return this.expression.key
  }

  /** The events that match both. */
  and({ expression }: ContentFilter): ContentFilter {
    return new ContentFilter(combine('all', [this.expression, expression]))
  }

  /** @param content of this event, if several filters are to share its values. */
  matches(event: FilteredEvent, content = new EventContent(event)): boolean {
    content.find(this.#paths)
    return isTrue(this.expression, content.lookUp)
  }
}
