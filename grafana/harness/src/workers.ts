/** Monaco's workers, as Grafana sets them up. */
window.MonacoEnvironment = {
  getWorker: (_: string, label: string) =>
    label === 'json'
      ? new Worker(new URL('monaco-editor/esm/vs/language/json/json.worker', import.meta.url))
      : new Worker(new URL('monaco-editor/esm/vs/editor/editor.worker', import.meta.url)),
};
