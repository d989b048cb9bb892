/** The events of the streams `presence:NAME`, which the catalogue includes. */
import Type from 'typebox'

const presenceEvent = (when: string) =>
  ({
    room: 'cluster',
    streams: ['other'],
    reserved: true,
    when,
    data: Type.Object({
      principal: Type.String(),
      clients: Type.Integer({ description: 'Open streams on the followed stream then, of all principals.' }),
    }),
    example: { principal: 'ada', clients: 3 },
  }) as const

export const PRESENCE_EVENTS = {
  'presence.joined': presenceEvent('on `presence:NAME`: a principal follows the stream NAME'),
  'presence.left': presenceEvent('on `presence:NAME`: a principal has not followed the stream NAME for 15 s'),
} as const
