/**
 * The list of events, newest first. All text is inserted as text, never as HTML: a description is somebody else's input
 * (`<img onerror=…>`).
 */
import { sentenceOf, toneOf } from './sentence.js'

const MAX_ROWS = 200

export function activityList(list) {
  /** @param fresh whether the event is new, rather than replayed. */
  function add(event, fresh) {
    list.prepend(rowOf(event, fresh))
    trim()
  }

  /** Marks a gap in the list. */
  function divide(text) {
    list.prepend(element('li', 'divider', text))
    trim()
  }

  function clear() {
    list.replaceChildren()
    trim()
  }

  function trim() {
    while (list.children.length > MAX_ROWS) list.lastElementChild.remove()
    list.hidden = list.children.length === 0
  }

  return { add, divide, clear }
}

function rowOf({ position, type, data, at }, fresh) {
  const row = element('li', fresh ? 'event fresh' : 'event')
  const time = element('time')
  setTime(time, at)
  const badge = element('span', 'badge', type)
  badge.dataset.tone = toneOf(type)
  badge.title = type
  const { part, text, raw } = sentenceOf(type, data)
  const said = element('span', raw ? 'text raw' : 'text')
  if (part) said.append(element('strong', '', part))
  said.append(text)
  row.append(time, badge, said, element('span', 'place', `#${position}`))
  return row
}

function setTime(time, at) {
  time.dateTime = at.toISOString()
  time.title = at.toLocaleString()
  time.textContent = at.toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  })
}

function element(name, className = '', text = '') {
  const made = document.createElement(name)
  if (className) made.className = className
  made.textContent = text
  return made
}
