import { createPredictions, deletePredictions, updatePredictions } from '../annotate/predictions.ts'
import { NotFoundError, ValidationError } from '../errors.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'
import { PredictionRef, TaskRef } from './refs.ts'

builder.node(PredictionRef, {
  description: "A model's labels for a task.",
  id: { resolve: (prediction) => prediction.id },
  loadWithoutCache: (id, { loaders }) => loaders.prediction.load(Number(id)),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'Its number.' }),
    task: t.field({
      type: TaskRef,
      description: 'The task.',
      resolve: async (prediction, _args, { loaders }) => (await loaders.task.load(prediction.task))!,
    }),
    result: t.field({
      type: 'JSON',
      description: 'The labels.',
      resolve: ({ id }, _args, { loaders }) => loaders.predictionResult.load(id),
    }),
    score: t.exposeFloat('score', { nullable: true, description: 'How sure the model is; null = it does not say.' }),
    modelVersion: t.exposeString('modelVersion', {
      nullable: true,
      description: 'Which model made it; null = unknown.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created here.' }),
  }),
})

const CreatePredictionInput = builder.inputType('CreatePredictionInput', {
  description: 'The labels that a model gives a task.',
  fields: (t) => ({
    taskId: t.id({ required: true, description: 'Global id of the task.' }),
    result: t.field({ type: 'JSON', required: true, description: 'The labels.' }),
    score: t.float({ description: 'How sure the model is.' }),
    modelVersion: t.string({ description: 'Which model made it.' }),
  }),
})

const UpdatePredictionInput = builder.inputType('UpdatePredictionInput', {
  description: 'Changes to a prediction; what is absent stays.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Global id of the prediction.' }),
    result: t.field({ type: 'JSON', description: 'The labels.' }),
    score: t.float({ description: 'How sure the model is; null: it does not say.' }),
    modelVersion: t.string({ description: 'Which model made it; null: unknown.' }),
  }),
})

const errors = { types: [NotFoundError, ValidationError] }
const saved = {
  ...errors,
  dataField: { name: 'predictions', description: 'The predictions as they are now, in the order of the input.' },
}

builder.mutationFields((t) => ({
  createPredictions: t.field({
    type: [PredictionRef],
    description: 'Adds predictions to tasks, all or none of them.',
    errors: saved,
    args: {
      input: t.arg({ type: [CreatePredictionInput], required: true, description: 'The predictions, at most 1,000.' }),
    },
    resolve: (_root, { input }, { em }) =>
      createPredictions(
        em,
        input.map(({ taskId, result, ...rest }) => ({ ...rest, task: idOf('Task', taskId), result: result! })),
      ),
  }),
  updatePredictions: t.field({
    type: [PredictionRef],
    description: 'Changes predictions, all or none of them.',
    errors: saved,
    args: {
      input: t.arg({ type: [UpdatePredictionInput], required: true, description: 'The changes, at most 1,000.' }),
    },
    resolve: (_root, { input }, { em }) =>
      updatePredictions(
        em,
        input.map(({ id, result, ...rest }) => ({ ...rest, id: idOf('Prediction', id), result: result ?? undefined })),
      ),
  }),
  deletePredictions: t.field({
    type: 'Int',
    description: 'Deletes predictions. Answers with how many there were.',
    errors: { ...errors, dataField: { name: 'deletedCount', description: 'How many of them there were.' } },
    args: { ids: t.arg.idList({ required: true, description: 'Global ids of the predictions, at most 1,000.' }) },
    resolve: (_root, { ids }, { em }) =>
      deletePredictions(
        em,
        ids.map((id) => idOf('Prediction', id)),
      ),
  }),
}))
