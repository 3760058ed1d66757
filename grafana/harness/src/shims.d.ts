declare module 'react-router-dom'; // version 5, as Grafana has it

interface Window {
  MonacoEnvironment?: { getWorker: (moduleId: string, label: string) => Worker };
}
