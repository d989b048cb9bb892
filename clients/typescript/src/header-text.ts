/** Texts in the headers of requests. */

/** The UTF-8 of a text as a header takes it: a string of bytes. */
export function asBytes(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text))
}
