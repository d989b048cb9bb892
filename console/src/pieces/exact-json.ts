/**
 * JSON whose numbers keep every digit: the gateway stores numbers as they were published from SQL, and JavaScript has no room for
 * `12345678901234567890`. Browsers from before 2024 show such a number rounded.
 */

/** A number that JavaScript would round. */
export class ExactNumber {
  /** @param source the number as the text writes it. */
  constructor(readonly source: string) {}

  toString(): string {
    return this.source
  }
}

export function parseExact(text: string): unknown {
  return JSON.parse(text, (_, value: unknown, context?: { readonly source?: string }) => {
    const source = context?.source
    return typeof value === 'number' && source !== undefined && isRounded(value, source)
      ? new ExactNumber(source)
      : value
  })
}

/** @param space as in JSON.stringify. */
export function exactText(value: unknown, space?: number): string {
  const rawOf: unknown = Reflect.get(JSON, 'rawJSON')
  return JSON.stringify(
    value,
    (_, member: unknown) => {
      if (!(member instanceof ExactNumber)) return member
      return typeof rawOf === 'function' ? rawOf(member.source) : Number(member.source)
    },
    space,
  )
}

/** Whether digits are lost: `1.0` and `1e2` are only written in another way. */
function isRounded(value: number, source: string): boolean {
  const [digits = ''] = source.split(/[eE]/, 1)
  return digits.replace(/\D/g, '').length > 15 && String(value) !== source
}
