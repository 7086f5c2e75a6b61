/** Half of the work, where several instances share it: `webhook` takes events, `worker` works through the queue. */
export type Half = "webhook" | "worker";
