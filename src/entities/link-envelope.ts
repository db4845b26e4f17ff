import { defineEntity, p } from '@mikro-orm/core'
import { ImportLinkEntity } from './import-link.ts'

/** The `id` beside the `data` of a row, which identifies it when its object changes. Most rows have none. */
export const LinkEnvelopeEntity = defineEntity({
  name: 'LinkEnvelope',
  tableName: 'link_envelope',
  properties: {
    link: () => p.manyToOne(ImportLinkEntity).mapToPk().deleteRule('cascade').primary().index(false),
    envelopeId: p.text(),
  },
})
