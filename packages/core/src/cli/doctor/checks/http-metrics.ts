import { type Check, fine, note, unknown } from '../check.js';
import type { HttpServer } from '../http-server.js';

/** Whether the world may read the metrics. */
export const httpMetrics: Check<HttpServer> = {
  name: 'http.metrics',
  why: 'Metrics tell strangers what an app does and how much of it.',
  examine({ metrics, metricsPath, isDirect }) {
    if (isDirect) return [];
    if (metrics === undefined)
      return [
        unknown(`${metricsPath} came to nothing`, 'Look again; or say where they are with --metrics-path.'),
      ];
    if (metrics.status === 200 && metrics.text.includes('pando_'))
      return [
        note(
          `${metricsPath} is open to whoever may ask this URL`,
          `Keep ${metricsPath} from the public in the balancer.`,
        ),
      ];
    return [fine('not to be read from here')];
  },
};
