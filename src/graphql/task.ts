import { createTasks, deleteTasks } from '../annotate/tasks.ts'
import { NotFoundError, ValidationError } from '../errors.ts'
import { resolveUrl, rewriteUris } from '../resolve/rewrite.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'
import { orNull } from './or-null.ts'
import { AnnotationRef, ImportLinkRef, PredictionRef, ProjectRef, TaskRef } from './refs.ts'

builder.node(TaskRef, {
  description: 'One item to annotate.',
  id: { resolve: (task) => task.id },
  loadWithoutCache: (id, { loaders }) => loaders.task.load(Number(id)),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'The number in URLs.' }),
    innerId: t.expose('innerId', { type: 'SafeInt', description: 'Running number inside the project, from 1.' }),
    project: t.field({
      type: ProjectRef,
      description: 'The project it belongs to.',
      resolve: async (task, _args, { loaders }) => (await loaders.project.load(task.project))!,
    }),
    data: t.field({
      type: 'JSON',
      description:
        'What is to be annotated, as stored: with storage URIs such as s3://… A client that parses it with JavaScript rounds long numbers; see `dataJson`.',
      resolve: ({ id }, _args, { loaders }) => loaders.taskData.load(id),
    }),
    dataJson: t.field({
      type: 'String',
      description: 'The same as `data`, as the stored JSON text: no digit of a number is lost on the way.',
      resolve: async ({ id }, _args, { loaders }) => (await loaders.taskDataText.load(id))!,
    }),
    resolvedData: t.field({
      type: 'JSON',
      description: 'The data with every URI that a connected storage serves turned into a link to its bytes.',
      args: {
        mediaToken: t.arg.boolean({
          description:
            'Whether the links carry a media token that lives for an hour or more, so that they work without any header, as in <img> and <video>. Default: false.',
        }),
      },
      resolve: async (task, { mediaToken }, { loaders, linksUrl }) => {
        const storages = await loaders.importStoragesOfProject.load(task.project)
        const token = mediaToken ? (await loaders.mediaToken.load(task.project)).token : undefined
        return rewriteUris(await loaders.taskData.load(task.id), storages, (uri) =>
          resolveUrl({ linksUrl, where: { task: task.id }, uri, token }),
        )
      },
    }),
    meta: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What its file said besides the data; null = nothing.',
      resolve: ({ id }, _args, { loaders }) => loaders.taskMeta.load(id),
    }),
    allowSkip: t.exposeBoolean('allowSkip', { description: 'Whether people may skip it.' }),
    link: t.field({
      type: ImportLinkRef,
      nullable: true,
      description: 'The object it was made from; null when it did not come from a storage, or that was deleted.',
      resolve: (task, _args, { loaders }) => loaders.linkOfTask.load(task.id),
    }),
    isLabeled: t.boolean({
      description: 'Whether it has as many annotations as the project wants for a task; skipped ones do not count.',
      resolve: async (task, _args, { loaders }) => {
        const [project, { annotations }] = await Promise.all([
          loaders.project.load(task.project),
          loaders.countsOfTask.load(task.id),
        ])
        return annotations >= project!.annotationsPerTask
      },
    }),
    totalAnnotations: t.field({
      type: 'SafeInt',
      description: 'How many annotations it has, without skipped ones.',
      resolve: async (task, _args, { loaders }) => (await loaders.countsOfTask.load(task.id)).annotations,
    }),
    cancelledAnnotations: t.field({
      type: 'SafeInt',
      description: 'How many people have skipped it.',
      resolve: async (task, _args, { loaders }) => (await loaders.countsOfTask.load(task.id)).cancelled,
    }),
    totalPredictions: t.field({
      type: 'SafeInt',
      description: 'How many predictions it has.',
      resolve: async (task, _args, { loaders }) => (await loaders.countsOfTask.load(task.id)).predictions,
    }),
    predictions: t.field({
      type: [PredictionRef],
      description: 'Labels made by models, oldest first.',
      resolve: (task, _args, { loaders }) => loaders.predictionsOfTask.load(task.id),
    }),
    annotations: t.field({
      type: [AnnotationRef],
      description: 'Labels made by people, oldest first.',
      resolve: (task, _args, { loaders }) => loaders.annotationsOfTask.load(task.id),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
})

builder.queryFields((t) => ({
  task: t.field({
    type: TaskRef,
    nullable: true,
    description: 'A task; null when there is none with this id.',
    args: { id: t.arg.id({ required: true, description: 'Global id of the task.' }) },
    resolve: (_root, { id }, { loaders }) => orNull(() => loaders.task.load(idOf('Task', id))),
  }),
}))

const NewTaskInput = builder.inputType('NewTaskInput', {
  description: 'One item to annotate.',
  fields: (t) => ({
    data: t.field({ type: 'JSON', required: true, description: 'What is to be annotated: a JSON object.' }),
    meta: t.field({ type: 'JSON', description: 'What else is to be known of it: a JSON object.' }),
    allowSkip: t.boolean({ description: 'Whether people may skip it. Default: true.' }),
  }),
})

const CreateTasksInput = builder.inputType('CreateTasksInput', {
  description: 'New tasks of a project.',
  fields: (t) => ({
    projectId: t.id({ required: true, description: 'Global id of the project.' }),
    tasks: t.field({ type: [NewTaskInput], required: true, description: 'The tasks, at most 1,000.' }),
  }),
})

builder.mutationFields((t) => ({
  createTasks: t.field({
    type: [TaskRef],
    description: 'Creates tasks, all or none, numbered in the order of the list.',
    errors: {
      types: [NotFoundError, ValidationError],
      dataField: { name: 'tasks', description: 'The tasks, in the same order.' },
    },
    args: { input: t.arg({ type: CreateTasksInput, required: true, description: 'The tasks.' }) },
    resolve: (_root, { input: { projectId, tasks } }, { em }) =>
      createTasks(
        em,
        idOf('Project', projectId),
        tasks.map(({ data, ...rest }) => ({ ...rest, data: data! })),
      ),
  }),
  deleteTasks: t.field({
    type: 'Int',
    description:
      'Deletes tasks with their annotations and links; the next sync brings back what is still in the storage. Answers with how many there were.',
    errors: {
      types: [NotFoundError, ValidationError],
      dataField: { name: 'deletedCount', description: 'How many of them there were.' },
    },
    args: { ids: t.arg.idList({ required: true, description: 'Global ids of the tasks, at most 10,000.' }) },
    resolve: (_root, { ids }, { em }) => {
      if (ids.length > 10_000) throw new ValidationError([{ path: 'ids', message: 'must be at most 10,000' }])
      return deleteTasks(
        em,
        ids.map((id) => idOf('Task', id)),
      )
    },
  }),
}))
