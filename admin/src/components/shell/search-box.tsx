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
import { findTarget, type SearchTarget } from "./search-target.ts";
import classes from "./shell.module.css";
import { searchId } from "./use-shortcuts.ts";

/** Leads from an id or an email straight to the job or user. */
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
          placeholder="Clerk id, email, event id or job id"
          aria-label="Search by Clerk id, email, event id or job id"
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

async function resolve(client: Client, target: SearchTarget, text: string): Promise<string> {
  if (target.kind === "user") return target.path;
  if (target.kind === "job") return (await hasJob(client, target.id)) ? `/jobs/${target.id}` : target.path;
  const found = await findOnly(client, target.of, text);
  return found ?? target.path;
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

/** The page of the one that was found; null when there are none or several. */
async function findOnly(client: Client, of: "jobs" | "users", q: string): Promise<string | null> {
  if (of === "jobs") {
    const [first, second] = (await client.get<JobPage>("/jobs", { q, limit: 2 })).jobs;
    return first && !second ? `/jobs/${first.id}` : null;
  }
  const [first, second] = (await client.get<UserPage>("/users", { q, limit: 2 })).users;
  return first && !second ? `/users/${encodeURIComponent(first.clerk_id)}` : null;
}
