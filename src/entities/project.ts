import { defineEntity, type InferEntity, p } from '@mikro-orm/core'

/** Holds tasks, annotations and storages. */
export const ProjectEntity = defineEntity({
  name: 'Project',
  tableName: 'project',
  properties: {
    id: p.bigint('number').primary(),
    title: p.text(),
    description: p.text().nullable(),
    /** Name of the field with the URI, in the data of tasks that the import method FILES creates. */
    dataKey: p.text().default('file'),
    annotationsPerTask: p.integer().default(1),
    /** Whether http(s) addresses of connected buckets in task data are resolved like storage URIs. */
    resolveHttpsUrls: p.boolean().default(false),
    /** The highest `innerId` of its tasks. One UPDATE per page increases it, so that each task gets its own. */
    lastInnerId: p.bigint('number').default(0),
    /** The key that signs its media tokens, sealed. Null until the first one is issued. */
    mediaKey: p.text().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
    updatedAt: p
      .datetime()
      .defaultRaw('now()')
      .onUpdate(() => new Date()),
  },
})

export type Project = InferEntity<typeof ProjectEntity>
