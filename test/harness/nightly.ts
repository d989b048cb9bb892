/**
 * How much a test does: as much as every run has time for, or as much as a night has (`npm run test:nightly`, which sets
 * SLUICE_NIGHTLY=1). That run consists of the files that import this one.
 */

const IS_NIGHT = process.env.SLUICE_NIGHTLY === '1'

export function byNight<T>(usual: T, nightly: T): T {
  return IS_NIGHT ? nightly : usual
}
