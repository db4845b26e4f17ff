import { defineEntity, type InferEntity, p } from '@mikro-orm/core'

/** Owns tasks, annotations and storages. */
export const ProjectEntity = defineEntity({
  name: 'Project',
  tableName: 'project',
  properties: {
    id: p.bigint('number').primary(),
    title: p.text(),
    description: p.text().nullable(),
    /** Name of the field that holds the URI in the data of tasks made from files. */
    dataKey: p.text().default('file'),
    annotationsPerTask: p.integer().default(1),
    /** The highest `innerId` given to a task; raised by one UPDATE per page, so that no two tasks share one. */
    lastInnerId: p.bigint('number').default(0),
    /** Signs its media tokens; sealed. Null until the first one is made. */
    mediaKey: p.text().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
    updatedAt: p
      .datetime()
      .defaultRaw('now()')
      .onUpdate(() => new Date()),
  },
})

export type Project = InferEntity<typeof ProjectEntity>
