/** The fields of every error that a mutation can answer with. */
export const errorFields = `... on Error { code message }
  ... on ValidationError { fieldErrors { path message } }`

/** A global id of no object. */
export const unknownId = (type: string) => Buffer.from(`${type}:999999`).toString('base64')

/** The first GraphQL error of a request that must fail. */
// biome-ignore lint/suspicious/noExplicitAny: extensions are whatever the server put there
export async function faultOf(request: Promise<unknown>): Promise<{ message: string; extensions?: any }> {
  const outcome = await request.then(
    (data) => ({ data }),
    (error: { errors?: { message: string }[] }) => error,
  )
  if ('errors' in outcome && outcome.errors) return outcome.errors[0]!
  throw new Error(`The request was to fail, but: ${JSON.stringify(outcome)}`)
}
