import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { RouterProvider } from "react-router/dom";
import { ApiError } from "./api/api-error.ts";
import { styleNonce } from "./api/api-url.ts";
import { RefreshingProvider } from "./api/refreshing.tsx";
import { RunDriverProvider } from "./api/run-driver.tsx";
import { useSessionState } from "./api/session.ts";
import { BulkWorkProvider } from "./components/bulk-work.tsx";
import { ConfirmProvider } from "./components/confirm.tsx";
import { LoginPage } from "./pages/login/login-page.tsx";
import { router } from "./routes.tsx";
import { theme } from "./theme.ts";

// Read by the library that keeps the page behind a dialog from scrolling: it writes a <style> element.
Object.assign(globalThis, { __webpack_nonce__: styleNonce() });

export function App() {
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={styleNonce}>
      <Notifications position="bottom-right" limit={4} />
      <SignedIn />
    </MantineProvider>
  );
}

/** Without a session the login stands at whatever address was asked for; signing in shows it. */
function SignedIn() {
  const { session } = useSessionState();
  const token = session?.token ?? null;
  const queries = useMemo(() => createQueries(token), [token]);
  useEffect(() => () => queries.clear(), [queries]);
  if (session === null) return <LoginPage />;
  return (
    <QueryClientProvider client={queries}>
      <RefreshingProvider>
        <RunDriverProvider>
          <ConfirmProvider>
            <BulkWorkProvider>
              <RouterProvider router={router} />
            </BulkWorkProvider>
          </ConfirmProvider>
        </RunDriverProvider>
      </RefreshingProvider>
    </QueryClientProvider>
  );
}

/** One cache per sign-in: nothing read by one caller is shown to the next. */
function createQueries(_token: string | null): QueryClient {
  return new QueryClient({
    defaultOptions: { queries: { staleTime: 1000, retry: mayHelp, networkMode: "always" } },
  });
}

/** Asking again helps against an outage, not against a refusal. */
function mayHelp(count: number, error: Error): boolean {
  return count < 1 && error instanceof ApiError && (error.status === 0 || error.status >= 500);
}
