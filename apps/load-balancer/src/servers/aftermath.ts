/** How a server is treated after a failure: not tried at all, last choice, or as before. */
export type Aftermath = "leave-out" | "distrust" | "none";

/** For so long. Measured beside other balancers: long enough to spare a dead one, short enough for a restarted one. */
export const leaveOutMs = 500;
