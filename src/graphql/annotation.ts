import { NotFoundError, ValidationError } from '../errors.ts'
import { createAnnotations, deleteAnnotations, updateAnnotations } from '../labeling/annotations.ts'
import { builder } from './builder.ts'
import { globalIdOf, idOf } from './ids.ts'
import { AnnotationRef, TaskRef } from './refs.ts'

builder.node(AnnotationRef, {
  description: 'The labels that a person gave a task.',
  id: { resolve: (annotation) => annotation.id },
  loadWithoutCache: (id, { loaders }) => loaders.annotation.load(Number(id)),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'Numeric id in the database.' }),
    task: t.field({
      type: TaskRef,
      description: 'The task that the annotation labels.',
      resolve: async (annotation, _args, { loaders }) => (await loaders.task.load(annotation.task))!,
    }),
    result: t.field({
      type: 'JSON',
      description: 'The labels: a JSON array, as the client or the imported file gave them.',
      resolve: ({ id }, _args, { loaders }) => loaders.annotationResult.load(id),
    }),
    wasCancelled: t.exposeBoolean('wasCancelled', {
      description: 'Whether the person skipped the task instead of labeling it.',
    }),
    completedBy: t.exposeString('completedBy', {
      nullable: true,
      description:
        'Name of the person or program that created the annotation: that of the API token, or `completed_by` of the imported file. A name from a file identifies nobody on this server, see `author`. Null if unknown.',
    }),
    author: t.string({
      nullable: true,
      description:
        'The API token of this server that saved the annotation: its global id, or `admin` for ADMIN_TOKEN. No file can set it. Null for an annotation from a file.',
      resolve: ({ author }) => {
        const token = /^token:(\d+)$/.exec(author ?? '')?.[1]
        return token ? globalIdOf('ApiToken', Number(token)) : author
      },
    }),
    leadTimeSeconds: t.exposeFloat('leadTimeSeconds', {
      nullable: true,
      description: 'Time that the person worked on the annotation, in seconds. Null if unknown.',
    }),
    importId: t.exposeString('importId', {
      nullable: true,
      description:
        '`id` of the annotation in the imported file. Null if the annotation was not imported, or the file has no id for it.',
    }),
    extra: t.field({
      type: 'JSON',
      nullable: true,
      description:
        'The fields of the annotation in the imported file that Sluice has no other field for, such as `ground_truth`: a JSON object. Exports write them again. Null if the file had no such fields.',
      resolve: ({ id }, _args, { loaders }) => loaders.annotationExtra.load(id),
    }),
    createdAt: t.expose('createdAt', {
      type: 'DateTime',
      description: 'When the annotation was created: as its file says with `keepTimes`, else when Sluice stored it.',
    }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the annotation last changed.' }),
  }),
})

const CreateAnnotationInput = builder.inputType('CreateAnnotationInput', {
  description: 'A new annotation. The name of the API token becomes its `completedBy`.',
  fields: (t) => ({
    taskId: t.id({ required: true, description: 'Global id of the task.' }),
    result: t.field({
      type: 'JSON',
      required: true,
      description: 'The labels: a JSON array, empty without labels.',
    }),
    wasCancelled: t.boolean({
      description: 'Whether the person skips the task instead of labeling it. Default: false.',
    }),
    leadTimeSeconds: t.float({
      description: 'Time that the person worked on the annotation, in seconds, at least 0. Default: unknown.',
    }),
  }),
})

const UpdateAnnotationInput = builder.inputType('UpdateAnnotationInput', {
  description: 'Changes to an annotation. Absent fields keep their value.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Global id of the annotation.' }),
    result: t.field({
      type: 'JSON',
      description: 'The labels: a JSON array, empty without labels. Null keeps the value.',
    }),
    wasCancelled: t.boolean({
      description: 'Whether the person skips the task instead of labeling it. Null keeps the value.',
    }),
    leadTimeSeconds: t.float({
      description: 'Time that the person worked on the annotation, in seconds, at least 0. Null clears the value.',
    }),
  }),
})

const errors = { types: [NotFoundError, ValidationError] }
const one = { ...errors, dataField: { name: 'annotation', description: 'The annotation after the change.' } }
const many = {
  ...errors,
  dataField: { name: 'annotations', description: 'The annotations after the change, in the order of the input.' },
}

type Create = typeof CreateAnnotationInput.$inferInput
const toNewAnnotation = ({ taskId, result, ...rest }: Create) => ({
  ...rest,
  task: idOf('Task', taskId),
  result: result!,
})
type Update = typeof UpdateAnnotationInput.$inferInput
const toChanges = ({ id, result, ...rest }: Update) => ({
  ...rest,
  id: idOf('Annotation', id),
  result: result ?? undefined,
})

builder.mutationFields((t) => ({
  createAnnotation: t.field({
    type: AnnotationRef,
    description:
      'Adds an annotation to a task. The same transaction queues the export to each export storage of the project with autoExport, so the mutation succeeds even if a storage is down.',
    errors: one,
    args: { input: t.arg({ type: CreateAnnotationInput, required: true, description: 'The annotation to create.' }) },
    resolve: async (_root, { input }, { em, viewer }) =>
      (await createAnnotations(em, viewer, [toNewAnnotation(input)]))[0]!,
  }),
  createAnnotations: t.field({
    type: [AnnotationRef],
    description: 'Creates several annotations in one transaction, each as createAnnotation does: all or none.',
    errors: many,
    args: {
      input: t.arg({
        type: [CreateAnnotationInput],
        required: true,
        description: 'The annotations to create, at most 1,000.',
      }),
    },
    resolve: (_root, { input }, { em, viewer }) => createAnnotations(em, viewer, input.map(toNewAnnotation)),
  }),
  updateAnnotation: t.field({
    type: AnnotationRef,
    description:
      'Changes an annotation. The same transaction queues the export to each export storage of the project with autoExport.',
    errors: one,
    args: {
      input: t.arg({ type: UpdateAnnotationInput, required: true, description: 'The annotation and its changes.' }),
    },
    resolve: async (_root, { input }, { em }) => (await updateAnnotations(em, [toChanges(input)]))[0]!,
  }),
  updateAnnotations: t.field({
    type: [AnnotationRef],
    description: 'Changes several annotations in one transaction, each as updateAnnotation does: all or none.',
    errors: many,
    args: {
      input: t.arg({
        type: [UpdateAnnotationInput],
        required: true,
        description: 'The annotations and their changes, at most 1,000.',
      }),
    },
    resolve: (_root, { input }, { em }) => updateAnnotations(em, input.map(toChanges)),
  }),
  deleteAnnotations: t.field({
    type: 'Int',
    description:
      'Deletes annotations. Export storages with canDeleteObjects then remove their objects. In TASK format they write the object of the task without the annotation, and remove it with the last annotation.',
    errors: {
      ...errors,
      dataField: {
        name: 'deletedCount',
        description: 'Number of annotations that were deleted. Ids of annotations that do not exist do not count.',
      },
    },
    args: {
      ids: t.arg.idList({ required: true, description: 'Global ids of the annotations to delete, at most 1,000.' }),
    },
    resolve: (_root, { ids }, { em }) =>
      deleteAnnotations(
        em,
        ids.map((id) => idOf('Annotation', id)),
      ),
  }),
  deleteAnnotation: t.field({
    type: 'ID',
    description: 'Deletes one annotation, as deleteAnnotations does.',
    errors: { ...errors, dataField: { name: 'deletedId', description: 'Global id of the deleted annotation.' } },
    args: { id: t.arg.id({ required: true, description: 'Global id of the annotation.' }) },
    resolve: async (_root, { id }, { em }) => {
      if ((await deleteAnnotations(em, [idOf('Annotation', id)])) === 0) {
        throw new NotFoundError('There is no such annotation.')
      }
      return String(id)
    },
  }),
}))
