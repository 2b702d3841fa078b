/** The steps of a shutdown, in their order; hooks of one phase run together. */
export type LifecyclePhase = 'intake' | 'streams' | 'requests' | 'rooms' | 'telemetry';

/** All of them. */
export const phases: readonly LifecyclePhase[] = ['intake', 'streams', 'requests', 'rooms', 'telemetry'];
