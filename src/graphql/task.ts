import { NotFoundError, ValidationError } from '../errors.ts'
import { createTasks, deleteTasks } from '../labeling/tasks.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'
import { orNull } from './or-null.ts'
import { AnnotationRef, ImportLinkRef, PredictionRef, ProjectRef, TaskRef } from './refs.ts'
import { resolvedData } from './resolved-data.ts'

builder.node(TaskRef, {
  description: 'One item to label.',
  id: { resolve: (task) => task.id },
  loadWithoutCache: (id, { loaders }) => loaders.task.load(Number(id)),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'Numeric id in the database, and in resolve links.' }),
    innerId: t.expose('innerId', {
      type: 'SafeInt',
      description:
        'Number of the task within its project, starting at 1. Sluice assigns the numbers in the order of creation.',
    }),
    project: t.field({
      type: ProjectRef,
      description: 'The project of the task.',
      resolve: async (task, _args, { loaders }) => (await loaders.project.load(task.project))!,
    }),
    data: t.field({
      type: 'JSON',
      description:
        'The item to label: a JSON object, as stored, with storage URIs such as s3://bucket/key. JavaScript clients round integers beyond 2^53; use `dataJson` for those.',
      resolve: ({ id }, _args, { loaders }) => loaders.taskData.load(id),
    }),
    dataJson: t.field({
      type: 'String',
      description: 'The same as `data`, as JSON text. Numbers keep all their digits.',
      resolve: async ({ id }, _args, { loaders }) => (await loaders.taskDataText.load(id))!,
    }),
    resolvedData: t.field({
      type: 'JSON',
      description:
        'A copy of `data` in which each URI that an import storage of the project serves, and each URL that a mapping of the project or `resolveHttpsUrls` covers, is replaced by a resolve link. The link of a file that usually names others, such as a playlist or a glTF, ends with the key, so that relative names in the file lead to its neighbours.',
      args: {
        mediaToken: t.arg.boolean({
          description:
            'Whether the links contain a media token, valid for at least one hour, so that they work without a header, as in <img> and <video>. Default: false.',
        }),
      },
      resolve: (task, { mediaToken }, context) => resolvedData(context, task, { withToken: mediaToken ?? false }),
    }),
    meta: t.field({
      type: 'JSON',
      nullable: true,
      description:
        'Further information about the task, such as `meta` of the imported file: a JSON object. Null if the task has no such information.',
      resolve: ({ id }, _args, { loaders }) => loaders.taskMeta.load(id),
    }),
    extra: t.field({
      type: 'JSON',
      nullable: true,
      description:
        'The fields beside `data` in the imported file that Sluice has no other field for, such as `drafts`: a JSON object. Exports write them again. Null if the file had no such fields.',
      resolve: ({ id }, _args, { loaders }) => loaders.taskExtra.load(id),
    }),
    allowSkip: t.exposeBoolean('allowSkip', {
      description:
        'Whether people may skip the task. Clients apply this; Sluice accepts skipped annotations in any case.',
    }),
    link: t.field({
      type: ImportLinkRef,
      nullable: true,
      description:
        'The object that the task was imported from. Null if the task was not imported, or its storage was deleted.',
      resolve: (task, _args, { loaders }) => loaders.linkOfTask.load(task.id),
    }),
    isLabeled: t.boolean({
      description: 'Whether `totalAnnotations` has reached `annotationsPerTask` of the project.',
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
      description: 'Number of annotations of the task, without those that skip it.',
      resolve: async (task, _args, { loaders }) => (await loaders.countsOfTask.load(task.id)).annotations,
    }),
    cancelledAnnotations: t.field({
      type: 'SafeInt',
      description: 'Number of annotations that skip the task.',
      resolve: async (task, _args, { loaders }) => (await loaders.countsOfTask.load(task.id)).cancelled,
    }),
    totalPredictions: t.field({
      type: 'SafeInt',
      description: 'Number of predictions of the task.',
      resolve: async (task, _args, { loaders }) => (await loaders.countsOfTask.load(task.id)).predictions,
    }),
    predictions: t.field({
      type: [PredictionRef],
      description: 'Predictions of the task, oldest first.',
      resolve: (task, _args, { loaders }) => loaders.predictionsOfTask.load(task.id),
    }),
    annotations: t.field({
      type: [AnnotationRef],
      description: 'Annotations of the task, oldest first.',
      resolve: (task, _args, { loaders }) => loaders.annotationsOfTask.load(task.id),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When Sluice created the task.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the task last changed.' }),
  }),
})

builder.queryFields((t) => ({
  task: t.field({
    type: TaskRef,
    nullable: true,
    description: 'One task. Null if no task has this id.',
    args: { id: t.arg.id({ required: true, description: 'Global id of the task.' }) },
    resolve: (_root, { id }, { loaders }) => orNull(() => loaders.task.load(idOf('Task', id))),
  }),
}))

const NewTaskInput = builder.inputType('NewTaskInput', {
  description: 'A new task.',
  fields: (t) => ({
    data: t.field({ type: 'JSON', required: true, description: 'The item to label: a JSON object.' }),
    meta: t.field({ type: 'JSON', description: 'Further information about the task: a JSON object. Default: none.' }),
    allowSkip: t.boolean({ description: 'Whether people may skip the task. Default: true.' }),
  }),
})

const CreateTasksInput = builder.inputType('CreateTasksInput', {
  description: 'New tasks for a project.',
  fields: (t) => ({
    projectId: t.id({ required: true, description: 'Global id of the project.' }),
    tasks: t.field({ type: [NewTaskInput], required: true, description: 'The tasks to create, at most 1,000.' }),
  }),
})

builder.mutationFields((t) => ({
  createTasks: t.field({
    type: [TaskRef],
    description: 'Creates tasks in one transaction: all or none. `innerId` follows the order of the list.',
    errors: {
      types: [NotFoundError, ValidationError],
      dataField: { name: 'tasks', description: 'The new tasks, in the order of the input.' },
    },
    args: {
      input: t.arg({ type: CreateTasksInput, required: true, description: 'The project and the tasks to create.' }),
    },
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
      'Deletes tasks with their annotations, predictions and links. The next sync imports objects that are still in the storage again.',
    errors: {
      types: [NotFoundError, ValidationError],
      dataField: {
        name: 'deletedCount',
        description: 'Number of tasks that were deleted. Ids of tasks that do not exist do not count.',
      },
    },
    args: { ids: t.arg.idList({ required: true, description: 'Global ids of the tasks to delete, at most 10,000.' }) },
    resolve: (_root, { ids }, { em }) => {
      if (ids.length > 10_000) throw new ValidationError([{ path: 'ids', message: 'must be at most 10,000' }])
      return deleteTasks(
        em,
        ids.map((id) => idOf('Task', id)),
      )
    },
  }),
}))
