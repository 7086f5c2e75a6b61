import { Kbd, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useNavigate } from "react-router";
import type { Job, JobPage } from "#core/admin/contract/jobs.ts";
import type { UserPage } from "#core/admin/contract/users.ts";
import { ApiError } from "../../api/api-error.ts";
import type { Client } from "../../api/client.ts";
import { showFailure } from "../../api/use-action.ts";
import { useClient } from "../../api/use-client.ts";
import { Icon } from "../icon.tsx";
import { findTarget, listPath, type SearchTarget } from "./search-target.ts";
import classes from "./shell.module.css";
import { searchId } from "./use-shortcuts.ts";

/** Leads from an id straight to the user or job, and from a text to the users that have it. */
export function SearchBox() {
  const client = useClient();
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const search = useMutation({
    mutationFn: (target: SearchTarget) => resolve(client, target, text.trim()),
    onSuccess: (path) => {
      setText("");
      void navigate(path);
    },
    onError: showFailure,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const target = findTarget(text);
    if (target !== null) search.mutate(target);
  };
  return (
    <search className={classes.search}>
      <form onSubmit={submit}>
        <TextInput
          id={searchId}
          size="xs"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          placeholder="Clerk id, email, name, event or job id"
          aria-label="Search by Clerk id, email, text of a column, event id or job id"
          leftSection={<Icon name="search" size={14} />}
          rightSection={text === "" ? <Kbd size="xs">/</Kbd> : null}
          rightSectionPointerEvents="none"
          disabled={search.isPending}
          autoComplete="off"
          spellCheck={false}
          maxLength={255}
        />
      </form>
    </search>
  );
}

/** An id leads to what it is of; a text to the users whose columns hold it, or else to what jobs hold it. */
async function resolve(client: Client, target: SearchTarget, text: string): Promise<string> {
  switch (target.kind) {
    case "job":
      if (await hasJob(client, target.id)) return `/jobs/${target.id}`;
      return (await findUsers(client, text)) ?? target.path;
    case "event":
      return (await findJobs(client, text)) ?? target.path;
    case "user":
      return (await findUsers(client, text)) ?? target.path;
    case "text":
      return (await findUsers(client, text)) ?? (await findJobs(client, text)) ?? target.path;
  }
}

async function hasJob(client: Client, id: string): Promise<boolean> {
  return client.get<Job>(`/jobs/${id}`).then(
    () => true,
    (error: unknown) => {
      if (error instanceof ApiError && error.status === 404) return false;
      throw error;
    },
  );
}

/** The page of the one user that is found, the list of several; null: nobody. */
async function findUsers(client: Client, q: string): Promise<string | null> {
  const [first, second] = (await client.get<UserPage>("/users", { q, limit: 2 })).users;
  if (first === undefined) return null;
  return second === undefined ? `/users/${encodeURIComponent(first.clerk_id)}` : listPath("users", q);
}

/** The same of jobs. */
async function findJobs(client: Client, q: string): Promise<string | null> {
  const [first, second] = (await client.get<JobPage>("/jobs", { q, limit: 2 })).jobs;
  if (first === undefined) return null;
  return second === undefined ? `/jobs/${first.id}` : listPath("jobs", q);
}
