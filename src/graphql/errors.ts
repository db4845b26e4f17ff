import { ConflictError, type FieldError, NotFoundError, type SluiceError, ValidationError } from '../errors.ts'
import { ConnectionCheckError } from '../storages/check.ts'
import { DuplicateStorageError, OverlappingStorageError } from '../storages/save.ts'
import { builder } from './builder.ts'
import { CheckStepRef } from './check-step.ts'
import { ErrorCodeRef } from './error-code.ts'
import { StorageRef } from './refs.ts'

const ErrorRef = builder.interfaceRef<SluiceError>('Error').implement({
  description: 'An expected error of a mutation.',
  fields: (t) => ({
    message: t.exposeString('message', { description: 'Description of the error, as text for people.' }),
    code: t.expose('code', { type: ErrorCodeRef, description: 'Stable code of the error, for programs.' }),
  }),
})

const FieldErrorRef = builder.objectRef<FieldError>('FieldError').implement({
  description: 'An error in one input field.',
  fields: (t) => ({
    path: t.exposeString('path', { description: 'Path to the field, such as `input.location.s3.bucket`.' }),
    message: t.exposeString('message', { description: 'What is wrong with the value, as text for people.' }),
    code: t.field({
      type: ErrorCodeRef,
      description: 'Stable code of the error, for programs. VALIDATION unless a more specific code exists.',
      resolve: ({ code }) => code ?? 'VALIDATION',
    }),
  }),
})

builder.objectType(ValidationError, {
  name: 'ValidationError',
  description: 'At least one input field is invalid. The mutation changed nothing.',
  interfaces: [ErrorRef],
  fields: (t) => ({
    fieldErrors: t.expose('fieldErrors', {
      type: [FieldErrorRef],
      description: 'All errors that the server found in the input.',
    }),
  }),
})

builder.objectType(NotFoundError, {
  name: 'NotFoundError',
  description: 'An object in the input does not exist, or the viewer may not see it. The mutation changed nothing.',
  interfaces: [ErrorRef],
})

builder.objectType(ConflictError, {
  name: 'ConflictError',
  description: 'The current state does not allow the mutation, for example while a sync is running.',
  interfaces: [ErrorRef],
  fields: (t) => ({
    pendingExports: t.field({
      type: 'SafeInt',
      nullable: true,
      description:
        'Number of pending exports that the mutation would lose, if the code is PENDING_EXPORTS. Null for other codes.',
      resolve: ({ pendingExports }) => pendingExports ?? null,
    }),
  }),
})

builder.objectType(ConnectionCheckError, {
  name: 'ConnectionCheckError',
  description: 'The connection check failed. The mutation saved nothing.',
  interfaces: [ErrorRef],
  fields: (t) => ({
    steps: t.expose('steps', { type: [CheckStepRef], description: 'All steps of the check, in their order.' }),
  }),
})

builder.objectType(DuplicateStorageError, {
  name: 'DuplicateStorageError',
  description:
    'The project already has a storage with the same location and filters. The mutation saved nothing. Set allowDuplicate to connect the location twice.',
  interfaces: [ErrorRef],
  fields: (t) => ({
    existing: t.field({
      type: StorageRef,
      nullable: true,
      description: 'The existing storage. Null if it was deleted in the meantime.',
      resolve: (error, _args, { loaders }) => loaders.storage.load(error.storageId),
    }),
  }),
})

builder.objectType(OverlappingStorageError, {
  name: 'OverlappingStorageError',
  description:
    'An import storage would list what an export storage of the same project writes. The mutation saved nothing. Choose another prefix, or set allowOverlap.',
  interfaces: [ErrorRef],
  fields: (t) => ({
    existing: t.field({
      type: StorageRef,
      nullable: true,
      description: 'The other storage. Null if it was deleted in the meantime.',
      resolve: (error, _args, { loaders }) => loaders.storage.load(error.storageId),
    }),
  }),
})
