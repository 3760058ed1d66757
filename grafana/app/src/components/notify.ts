import { AppEvents } from '@grafana/data';
import { getAppEvents } from '@grafana/runtime';

/** Grafana's own messages at the upper right. */
export const notify = {
  success: (text: string) => getAppEvents().publish({ type: AppEvents.alertSuccess.name, payload: [text] }),
  error: (text: string, detail: string) =>
    getAppEvents().publish({ type: AppEvents.alertError.name, payload: [text, detail] }),
};
