/** What the demo uses of the package, which brings no types. */
declare module 'cli-progress' {
  interface Bar {
    update(value: number, payload: Record<string, unknown>): void
  }
  export class MultiBar {
    constructor(options: Record<string, unknown>, preset?: object)
    create(total: number, start: number, payload: Record<string, unknown>): Bar
    stop(): void
  }
  const module: { MultiBar: typeof MultiBar; Presets: { shades_classic: object } }
  export default module
}
