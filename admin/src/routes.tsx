import { createBrowserRouter, type RouteObject } from "react-router";
import { PageFailure } from "./components/page-failure.tsx";
import { Shell } from "./components/shell/shell.tsx";
import { NotFoundPage } from "./pages/not-found/not-found-page.tsx";

/** Each page is a file of its own, loaded when it is first opened. */
const pages: RouteObject[] = [
  { index: true, lazy: async () => ({ Component: (await import("./pages/overview/overview-page.tsx")).OverviewPage }) },
  { path: "jobs", lazy: async () => ({ Component: (await import("./pages/jobs/jobs-page.tsx")).JobsPage }) },
  { path: "jobs/:id", lazy: async () => ({ Component: (await import("./pages/job/job-page.tsx")).JobPage }) },
  {
    path: "dead-letters",
    lazy: async () => ({ Component: (await import("./pages/dead-letters/dead-letters-page.tsx")).DeadLettersPage }),
  },
  { path: "users", lazy: async () => ({ Component: (await import("./pages/users/users-page.tsx")).UsersPage }) },
  { path: "users/:clerkId", lazy: async () => ({ Component: (await import("./pages/user/user-page.tsx")).UserPage }) },
  {
    path: "reconcile",
    lazy: async () => ({ Component: (await import("./pages/reconcile/reconcile-page.tsx")).ReconcilePage }),
  },
  {
    path: "reconcile/:id",
    lazy: async () => ({ Component: (await import("./pages/reconcile/run-page.tsx")).RunPage }),
  },
  { path: "audit", lazy: async () => ({ Component: (await import("./pages/audit/audit-page.tsx")).AuditPage }) },
  { path: "*", Component: NotFoundPage },
];

export const router = createBrowserRouter(
  [
    {
      Component: Shell,
      ErrorBoundary: PageFailure,
      HydrateFallback: () => null,
      children: [{ ErrorBoundary: PageFailure, children: pages }],
    },
  ],
  { basename: import.meta.env.BASE_URL.replace(/(?<=.)\/$/, "") }, // /admin is the same as /admin/,
);
