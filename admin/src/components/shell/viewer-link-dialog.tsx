import { Alert, Button, Code, CopyButton, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { isServedByApi } from "../../api/api-url.ts";
import { useSession } from "../../api/session.ts";
import { makeViewerToken } from "../../api/sign-in.ts";
import { formatTime } from "../../format-time.ts";
import { makeLink } from "../../pages/login/link-token.ts";
import { ErrorState } from "../error-state.tsx";

/** Makes a token for somebody who may only look, and shows it this once. */
export function ViewerLinkDialog({ isShown, close }: { isShown: boolean; close: () => void }) {
  return (
    <Modal opened={isShown} onClose={close} title="Make a read-only link" closeButtonProps={{ "aria-label": "Close" }}>
      {isShown && <ViewerLink />}
    </Modal>
  );
}

function ViewerLink() {
  const session = useSession();
  const [name, setName] = useState("");
  const made = useMutation({ mutationFn: () => makeViewerToken(session, name.trim()) });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    made.mutate();
  };
  if (made.data) return <Made token={made.data.token} until={made.data.caller.expires_at} />;
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <Text size="sm">Whoever opens the link sees all pages, personal values masked, and changes nothing.</Text>
        {made.error && <ErrorState error={made.error} title="No link was made" />}
        <TextInput
          label="Who is it for?"
          description="Stands in the audit."
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          required
          withAsterisk={false}
          maxLength={80}
          data-autofocus
        />
        <Group justify="flex-end">
          <Button type="submit" loading={made.isPending}>
            Make the link
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Made({ token, until }: { token: string; until: string | null }) {
  const value = isServedByApi() ? makeLink(`${location.origin}${import.meta.env.BASE_URL}`, token) : token;
  return (
    <Stack gap="md">
      <Alert color="indigo" role="status">
        It is shown only now. Whoever has it can look{until ? ` until ${formatTime(until)}` : ""}.
      </Alert>
      <Code block style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
        {value}
      </Code>
      <CopyButton value={value}>
        {({ copied, copy }) => <Button onClick={copy}>{copied ? "Copied" : "Copy it"}</Button>}
      </CopyButton>
    </Stack>
  );
}
