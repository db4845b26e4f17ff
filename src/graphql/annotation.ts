import { createAnnotations, deleteAnnotations, updateAnnotations } from '../annotate/annotations.ts'
import { NotFoundError, ValidationError } from '../errors.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'
import { AnnotationRef, TaskRef } from './refs.ts'

builder.node(AnnotationRef, {
  description: "A person's labels for a task.",
  id: { resolve: (annotation) => annotation.id },
  loadWithoutCache: (id, { loaders }) => loaders.annotation.load(Number(id)),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'Its number.' }),
    task: t.field({
      type: TaskRef,
      description: 'The task.',
      resolve: async (annotation, _args, { loaders }) => (await loaders.task.load(annotation.task))!,
    }),
    result: t.field({
      type: 'JSON',
      description: 'The labels.',
      resolve: ({ id }, _args, { loaders }) => loaders.annotationResult.load(id),
    }),
    wasCancelled: t.exposeBoolean('wasCancelled', { description: 'Whether the person skipped the task.' }),
    completedBy: t.exposeString('completedBy', { nullable: true, description: 'Who made it; null = unknown.' }),
    leadTimeSeconds: t.exposeFloat('leadTimeSeconds', {
      nullable: true,
      description: 'Seconds the person worked on it; null = unknown.',
    }),
    importId: t.exposeString('importId', {
      nullable: true,
      description: 'Its id in the file it came from; null = none.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created here.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
})

const CreateAnnotationInput = builder.inputType('CreateAnnotationInput', {
  description: 'The labels that the viewer gives a task.',
  fields: (t) => ({
    taskId: t.id({ required: true, description: 'Global id of the task.' }),
    result: t.field({ type: 'JSON', required: true, description: 'The labels.' }),
    wasCancelled: t.boolean({ description: 'Whether the task is skipped. Default: false.' }),
    leadTimeSeconds: t.float({ description: 'Seconds of work on it; not negative.' }),
  }),
})

const UpdateAnnotationInput = builder.inputType('UpdateAnnotationInput', {
  description: 'Changes to an annotation; what is absent stays.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Global id of the annotation.' }),
    result: t.field({ type: 'JSON', description: 'The labels.' }),
    wasCancelled: t.boolean({ description: 'Whether the task is skipped.' }),
    leadTimeSeconds: t.float({ description: 'Seconds of work on it; not negative. Null: unknown.' }),
  }),
})

const errors = { types: [NotFoundError, ValidationError] }
const one = { ...errors, dataField: { name: 'annotation', description: 'The annotation as it is now.' } }
const many = {
  ...errors,
  dataField: { name: 'annotations', description: 'The annotations as they are now, in the order of the input.' },
}

type Create = typeof CreateAnnotationInput.$inferInput
const asNew = ({ taskId, result, ...rest }: Create) => ({ ...rest, task: idOf('Task', taskId), result: result! })
type Update = typeof UpdateAnnotationInput.$inferInput
const asChange = ({ id, result, ...rest }: Update) => ({
  ...rest,
  id: idOf('Annotation', id),
  result: result ?? undefined,
})

builder.mutationFields((t) => ({
  createAnnotation: t.field({
    type: AnnotationRef,
    description:
      'Labels a task. Targets of the project with autoExport get it soon, even if they cannot be reached now.',
    errors: one,
    args: { input: t.arg({ type: CreateAnnotationInput, required: true, description: 'The annotation.' }) },
    resolve: async (_root, { input }, { em, viewer }) => (await createAnnotations(em, viewer.name, [asNew(input)]))[0]!,
  }),
  createAnnotations: t.field({
    type: [AnnotationRef],
    description: 'Labels tasks, all or none of them, as createAnnotation does.',
    errors: many,
    args: {
      input: t.arg({ type: [CreateAnnotationInput], required: true, description: 'The annotations, at most 1,000.' }),
    },
    resolve: (_root, { input }, { em, viewer }) => createAnnotations(em, viewer.name, input.map(asNew)),
  }),
  updateAnnotation: t.field({
    type: AnnotationRef,
    description: 'Changes an annotation. Targets of the project with autoExport get it soon.',
    errors: one,
    args: { input: t.arg({ type: UpdateAnnotationInput, required: true, description: 'The changes.' }) },
    resolve: async (_root, { input }, { em }) => (await updateAnnotations(em, [asChange(input)]))[0]!,
  }),
  updateAnnotations: t.field({
    type: [AnnotationRef],
    description: 'Changes annotations, all or none of them, as updateAnnotation does.',
    errors: many,
    args: {
      input: t.arg({ type: [UpdateAnnotationInput], required: true, description: 'The changes, at most 1,000.' }),
    },
    resolve: (_root, { input }, { em }) => updateAnnotations(em, input.map(asChange)),
  }),
  deleteAnnotations: t.field({
    type: 'Int',
    description:
      'Deletes annotations. Their objects go soon from targets with canDeleteObjects; in TASK format they are written without them, and go with the last. Answers with how many there were.',
    errors: { ...errors, dataField: { name: 'deletedCount', description: 'How many of them there were.' } },
    args: { ids: t.arg.idList({ required: true, description: 'Global ids of the annotations, at most 1,000.' }) },
    resolve: (_root, { ids }, { em }) =>
      deleteAnnotations(
        em,
        ids.map((id) => idOf('Annotation', id)),
      ),
  }),
  deleteAnnotation: t.field({
    type: 'ID',
    description: 'Deletes an annotation, as deleteAnnotations does.',
    errors: { ...errors, dataField: { name: 'deletedId', description: 'Global id of what was deleted.' } },
    args: { id: t.arg.id({ required: true, description: 'Global id of the annotation.' }) },
    resolve: async (_root, { id }, { em }) => {
      if ((await deleteAnnotations(em, [idOf('Annotation', id)])) === 0) {
        throw new NotFoundError('There is no such annotation.')
      }
      return String(id)
    },
  }),
}))
