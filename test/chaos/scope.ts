/** What a run has started. It ends in the opposite order, as with a test of tap, in whose place it stands for the harness. */

export class Scope {
  readonly #endings: (() => unknown)[] = []

  teardown(ending: () => unknown): void {
    this.#endings.push(ending)
  }

  /** Ends everything, whatever fails. @throws the first failure. */
  async close(): Promise<void> {
    const failures: unknown[] = []
    for (let ending = this.#endings.pop(); ending; ending = this.#endings.pop()) {
      try {
        await ending()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
