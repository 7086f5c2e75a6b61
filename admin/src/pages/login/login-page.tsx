import { Alert, Center, Paper, Stack, Text, Title } from "@mantine/core";
import { useEffect, useState } from "react";
import { isServedByApi, ownApiUrl, rememberedApiUrl } from "../../api/api-url.ts";
import { startSession, useSessionState } from "../../api/session.ts";
import { signInByToken } from "../../api/sign-in.ts";
import { ErrorState } from "../../components/error-state.tsx";
import { takeLinkToken } from "./link-token.ts";
import { SignInForm } from "./sign-in-form.tsx";

/** Asks for proof, or takes the token of a read-only link. */
export function LoginPage() {
  const { notice } = useSessionState();
  const [linkFailure, setLinkFailure] = useState<unknown>(null);
  useEffect(() => {
    document.title = "Sign in · clerk-sync admin";
    const token = takeLinkToken();
    if (token === null) return;
    signInByToken(isServedByApi() ? ownApiUrl() : rememberedApiUrl(), token).then(startSession, setLinkFailure);
  }, []);
  return (
    <Center component="main" mih="100vh" p="md">
      <Paper w="100%" maw={420} p="xl" className="surface">
        <Stack gap="lg">
          <Stack gap={4}>
            <Title order={1}>clerk-sync admin</Title>
            <Text size="sm" c="dimmed">
              Shows whether every Clerk user is in Supabase, and mends what is not.
            </Text>
          </Stack>
          {notice && (
            <Alert color="indigo" role="status">
              {notice}
            </Alert>
          )}
          {linkFailure !== null && <ErrorState error={linkFailure} title="This link does not sign in" />}
          <SignInForm />
          <Text size="xs" c="dimmed">
            The key is sent once, exchanged for a token that this tab keeps for a few hours, and then forgotten. Without
            a key, ask an operator for a read-only link.
          </Text>
        </Stack>
      </Paper>
    </Center>
  );
}
