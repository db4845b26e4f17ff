import { defineEntity, p } from '@mikro-orm/core'
import { ImportLinkEntity } from './import-link.ts'

/** An imported label that was deleted here. An import does not create it again while its file is unchanged. */
export const DeletedLabelEntity = defineEntity({
  name: 'DeletedLabel',
  tableName: 'deleted_label',
  properties: {
    id: p.bigint('number').primary(),
    link: () => p.manyToOne(ImportLinkEntity).mapToPk().deleteRule('cascade').index(),
    kind: p.enum(['ANNOTATION', 'PREDICTION'] as const),
    importId: p.text().nullable(),
    fileHash: p.uuid(),
  },
})
