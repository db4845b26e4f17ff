// Azurite's blob service as a process of its own, so that its work neither blocks nor is measured with the program under
// test. Started by `startAzure`, which it does not outlive.
export type AzureReport = { url: string }

process.on('disconnect', () => process.exit())

const print = console.log
console.log = (text: unknown) => {
  const url = /successfully listens on (\S+)/.exec(String(text))?.[1]
  if (url) process.send!({ url } satisfies AzureReport)
  else print(text)
}

// @ts-expect-error: a program without types; it reads its settings from the command line
await import('azurite/dist/src/blob/main.js')
