import { type JobStore, JobsUnusable } from './store.ts'

/**
 * Stores jobs in a collection of MongoDB, in the database that the URL names, or else in `sluice`. Only this function loads the
 * driver, because few installations need it.
 * @throws JobsUnusable
 */
export async function openMongoStore(url: string, collection: string): Promise<JobStore> {
  const [{ MongoClient }, { MongoBackend }] = await Promise.all([import('mongodb'), import('@agendajs/mongo-backend')])
  const client = openClient()
  const { hosts, srvHost } = client.options
  const db = client.db(/^[^/]+\/\/[^/]+\/[^?]/.test(url) ? undefined : 'sluice')
  try {
    await client.connect()
    // If the backend created the index, a failure would end the process.
    await db
      .collection(collection)
      .createIndex({ name: 1, nextRunAt: 1, priority: -1, lockedAt: 1, disabled: 1 }, { name: 'next-job' })
  } catch (cause) {
    await client.close()
    throw new JobsUnusable(`${srvHost ?? hosts.join(',')}/${db.databaseName}`, cause)
  }
  return {
    backend: new MongoBackend({ mongo: db, collection, ensureIndex: false }),
    idFormat: /^[\da-f]{24}$/i,
    ping: () => db.command({ ping: 1 }, { timeoutMS: 5_000 }),
    removeFailed: (before) => db.collection(collection).deleteMany({ failedAt: { $lt: before } }),
    close: () => client.close(),
  }

  function openClient() {
    try {
      return new MongoClient(url, {
        appName: 'sluice',
        // A replica that lags would report a new job as missing.
        readPreference: 'primary',
        ...(!/[?&]serverSelectionTimeoutMS=/i.test(url) && { serverSelectionTimeoutMS: 10_000 }),
      })
    } catch (cause) {
      // The driver's message can contain part of a password that was not encoded.
      const reason = new Error(
        'the driver does not accept it. Percent-encode special characters in user and password, and use only known options',
        { cause },
      )
      throw new JobsUnusable('a MongoDB URL', reason)
    }
  }
}
