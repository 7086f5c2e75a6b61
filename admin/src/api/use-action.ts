import { notifications } from "@mantine/notifications";
import { type UseMutationResult, useMutation, useQueryClient } from "@tanstack/react-query";
import { describeError } from "./api-error.ts";
import type { Client } from "./client.ts";
import { useClient } from "./use-client.ts";

export type Action<Input, Result> = {
  run: (client: Client, input: Input) => Promise<Result>;
  /** What is said when it is done; null says nothing. */
  done: (result: Result, input: Input) => string | null;
};

const closeButtonProps = { "aria-label": "Close the message" };

/** Does something, says how it ended, and reads everything shown again. */
export function useAction<Input, Result>({
  run,
  done,
}: Action<Input, Result>): UseMutationResult<Result, Error, Input> {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (input: Input) => run(client, input),
    onSuccess: (result, input) => {
      const message = done(result, input);
      if (message !== null) showDone(message);
    },
    onError: (error: Error) => showFailure(error),
    onSettled: () => queries.invalidateQueries(),
  });
}

export function showDone(message: string): void {
  notifications.show({ message, color: "teal", closeButtonProps });
}

/** What is no failure, and not all that was asked for. */
export function showNote(message: string, color: "gray" | "orange"): void {
  notifications.show({ message, color, closeButtonProps });
}

export function showFailure(failure: unknown): void {
  const { error, code } = describeError(failure);
  notifications.show({ title: code, message: error, color: "red", autoClose: 12_000, closeButtonProps });
}
