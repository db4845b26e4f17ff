import { NotFoundError, ValidationError } from '../errors.ts'
import { createPredictions, deletePredictions, updatePredictions } from '../labeling/predictions.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'
import { PredictionRef, TaskRef } from './refs.ts'

builder.node(PredictionRef, {
  description: 'The labels that a model gave a task.',
  id: { resolve: (prediction) => prediction.id },
  loadWithoutCache: (id, { loaders }) => loaders.prediction.load(Number(id)),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'Numeric id in the database.' }),
    task: t.field({
      type: TaskRef,
      description: 'The task that the prediction labels.',
      resolve: async (prediction, _args, { loaders }) => (await loaders.task.load(prediction.task))!,
    }),
    result: t.field({
      type: 'JSON',
      description: 'The labels: a JSON array, as the client or the imported file gave them.',
      resolve: ({ id }, _args, { loaders }) => loaders.predictionResult.load(id),
    }),
    score: t.exposeFloat('score', {
      nullable: true,
      description: 'Confidence of the model. Sluice does not limit its range. Null if unknown.',
    }),
    modelVersion: t.exposeString('modelVersion', {
      nullable: true,
      description: 'Name or version of the model. Null if unknown.',
    }),
    extra: t.field({
      type: 'JSON',
      nullable: true,
      description:
        'The fields of the prediction in the imported file that Sluice has no other field for, such as `cluster`: a JSON object. Exports write them again. Null if the file had no such fields.',
      resolve: ({ id }, _args, { loaders }) => loaders.predictionExtra.load(id),
    }),
    createdAt: t.expose('createdAt', {
      type: 'DateTime',
      description: 'When the prediction was created: as its file says with `keepTimes`, else when Sluice stored it.',
    }),
  }),
})

const CreatePredictionInput = builder.inputType('CreatePredictionInput', {
  description: 'A new prediction.',
  fields: (t) => ({
    taskId: t.id({ required: true, description: 'Global id of the task.' }),
    result: t.field({
      type: 'JSON',
      required: true,
      description: 'The labels: a JSON array, empty without labels.',
    }),
    score: t.float({ description: 'Confidence of the model, any number. Default: unknown.' }),
    modelVersion: t.string({ description: 'Name or version of the model. Default: unknown.' }),
  }),
})

const UpdatePredictionInput = builder.inputType('UpdatePredictionInput', {
  description: 'Changes to a prediction. Absent fields keep their value.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Global id of the prediction.' }),
    result: t.field({
      type: 'JSON',
      description: 'The labels: a JSON array, empty without labels. Null keeps the value.',
    }),
    score: t.float({ description: 'Confidence of the model, any number. Null clears the value.' }),
    modelVersion: t.string({ description: 'Name or version of the model. Null clears the value.' }),
  }),
})

const errors = { types: [NotFoundError, ValidationError] }
const saved = {
  ...errors,
  dataField: { name: 'predictions', description: 'The predictions after the change, in the order of the input.' },
}

builder.mutationFields((t) => ({
  createPredictions: t.field({
    type: [PredictionRef],
    description: 'Creates predictions in one transaction: all or none.',
    errors: saved,
    args: {
      input: t.arg({
        type: [CreatePredictionInput],
        required: true,
        description: 'The predictions to create, at most 1,000.',
      }),
    },
    resolve: (_root, { input }, { em }) =>
      createPredictions(
        em,
        input.map(({ taskId, result, ...rest }) => ({ ...rest, task: idOf('Task', taskId), result: result! })),
      ),
  }),
  updatePredictions: t.field({
    type: [PredictionRef],
    description: 'Changes predictions in one transaction: all or none.',
    errors: saved,
    args: {
      input: t.arg({
        type: [UpdatePredictionInput],
        required: true,
        description: 'The predictions and their changes, at most 1,000.',
      }),
    },
    resolve: (_root, { input }, { em }) =>
      updatePredictions(
        em,
        input.map(({ id, result, ...rest }) => ({ ...rest, id: idOf('Prediction', id), result: result ?? undefined })),
      ),
  }),
  deletePredictions: t.field({
    type: 'Int',
    description: 'Deletes predictions.',
    errors: {
      ...errors,
      dataField: {
        name: 'deletedCount',
        description: 'Number of predictions that were deleted. Ids of predictions that do not exist do not count.',
      },
    },
    args: {
      ids: t.arg.idList({ required: true, description: 'Global ids of the predictions to delete, at most 1,000.' }),
    },
    resolve: (_root, { ids }, { em }) =>
      deletePredictions(
        em,
        ids.map((id) => idOf('Prediction', id)),
      ),
  }),
}))
