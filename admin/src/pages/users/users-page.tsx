import { Group } from "@mantine/core";
import type { UserPage } from "#core/admin-users-contract.ts";
import { usePages } from "../../api/use-reading.ts";
import { EmptyState } from "../../components/empty-state.tsx";
import { FilterInput } from "../../components/filter-input.tsx";
import { LoadMore } from "../../components/load-more.tsx";
import { PageHeader } from "../../components/page-header.tsx";
import { Reading } from "../../components/reading.tsx";
import { useFilters } from "../../components/use-filters.ts";
import { UsersTable } from "./users-table.tsx";

const filterNames = ["q"] as const;

/** The newest users, or those that a search finds. */
export function UsersPage() {
  const [{ q }, change] = useFilters(filterNames);
  const pages = usePages<UserPage>("/users", { q });
  return (
    <>
      <PageHeader
        name="Users"
        title="Users"
        about="Open a user to see Clerk, users and Supabase Auth side by side, and what keeps them out of step."
      />
      <Group component="search" mb="md" aria-label="Search users">
        <FilterInput
          label="Find users"
          placeholder="Clerk id, email, or the beginning of a name"
          value={q}
          onChange={(text) => change({ q: text })}
          w={320}
        />
      </Group>
      <Reading of={pages}>
        {(data) => {
          const users = data.pages.flatMap((page) => page.users);
          if (users.length === 0) return <Nothing q={q} />;
          return (
            <div>
              <UsersTable users={users} />
              <LoadMore of={pages} shown={users.length} />
            </div>
          );
        }}
      </Reading>
    </>
  );
}

function Nothing({ q }: { q: string | undefined }) {
  if (q === undefined) {
    return (
      <EmptyState title="No users yet">
        They come with Clerk's events. Those who signed up before come by a backfill: see Reconcile.
      </EmptyState>
    );
  }
  return (
    <EmptyState title="Nobody is found">
      A search finds a whole Clerk id, a whole email, or the beginning of a name. If the user is at Clerk and no event
      has come, only the Clerk id (user_…, in Clerk's dashboard) leads there: type it here, and open the user by the
      search box above.
    </EmptyState>
  );
}
