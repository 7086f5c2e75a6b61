import { Group } from "@mantine/core";
import type { UserPage } from "#core/admin/contract/users.ts";
import { usePages } from "../../api/use-reading.ts";
import { FilterChoice } from "../../components/filter-choice.tsx";
import { FilterInput } from "../../components/filter-input.tsx";
import { LoadMore } from "../../components/load-more.tsx";
import { PageHeader } from "../../components/page-header.tsx";
import { Reading } from "../../components/reading.tsx";
import { useFilters } from "../../components/use-filters.ts";
import { NobodyFound } from "./nobody-found.tsx";
import { SearchNote } from "./search-note.tsx";
import { UsersTable } from "./users-table.tsx";

const filterNames = ["q", "show"] as const;
const deleted = [{ value: "deleted", label: "Deleted users" }];

/** The newest users, or the deleted ones, or those that a search finds. */
export function UsersPage() {
  const [{ q, show }, change] = useFilters(filterNames);
  const pages = usePages<UserPage>("/users", { q, show });
  return (
    <>
      <PageHeader
        name="Users"
        title="Users"
        about="Open a user to see Clerk, the table of users and Supabase Auth side by side, and what keeps them out of step."
      />
      <Group component="search" mb="md" aria-label="Search users">
        <FilterInput
          label="Find users"
          placeholder="Clerk id, email, or the text of a column"
          value={q}
          onChange={(text) => change({ q: text })}
          w={340}
          maw="100%"
          maxLength={255}
        />
        <FilterChoice
          label="Show"
          all="Users"
          data={deleted}
          value={show}
          onChange={(value) => change({ show: value })}
        />
      </Group>
      <Reading of={pages}>
        {(data) => {
          const users = data.pages.flatMap((page) => page.users);
          return (
            <div>
              <SearchNote search={data.pages[0]?.search ?? null} />
              {users.length === 0 ? (
                <NobodyFound q={q} show={show} onClear={() => change({ q: null, show: null })} />
              ) : (
                <>
                  <UsersTable users={users} />
                  <LoadMore of={pages} shown={users.length} />
                </>
              )}
            </div>
          );
        }}
      </Reading>
    </>
  );
}
