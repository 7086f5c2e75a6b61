type Place = { path: string; name: string };

const places: Readonly<Record<string, Place>> = {
  queue_late: { path: "/jobs?status=PENDING,FAILED", name: "Show the jobs that wait" },
  dead_letters: { path: "/dead-letters", name: "Show the dead letters" },
  users_differ: { path: "/reconcile", name: "Compare the users" },
  drift: { path: "/reconcile", name: "Compare the users" },
  run_failed: { path: "/reconcile", name: "Show the runs" },
  circuit_open: { path: "/#circuits", name: "Show the circuits" },
  delete_brake: { path: "/#brake", name: "Show the delete brake" },
  instance_unknown: { path: "/audit?kind=instance_unknown", name: "Show whose events they are" },
};

/** Where in the page one finds more about a reason of health, and what to do about it. */
export function findPlace(code: string): Place | null {
  return places[code] ?? null;
}
