/** A fenced block of a Markdown text. */
export interface Sample {
  /** What stands behind the opening fence: a language and, for a shell, its role. */
  info: string
  code: string
}

/** All fenced blocks, in order. */
export function samplesOf(markdown: string): Sample[] {
  return [...markdown.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info, code]) => ({
    info: info!.trim(),
    code: code!.trim(),
  }))
}
