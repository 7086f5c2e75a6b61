import { Button, Checkbox, Input, PasswordInput, SegmentedControl, Stack, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { isServedByApi, ownApiUrl, readApiUrl, rememberApiUrl, rememberedApiUrl } from "../../api/api-url.ts";
import { startSession } from "../../api/session.ts";
import { type Proof, signIn } from "../../api/sign-in.ts";
import { ErrorState } from "../../components/error-state.tsx";

const kinds: { value: Proof["kind"]; label: string }[] = [
  { value: "secret_key", label: "A secret key" },
  { value: "session_token", label: "A Clerk session" },
];
const secretHelp = {
  secret_key: "SUPABASE_SECRET_KEY of the project; npm start prints the local one.",
  session_token: "session.getToken() of a Clerk user who has an operator role.",
};

/** What was entered lives in the memory of this form only, and the secret no longer than the request. */
export function SignInForm() {
  const [kind, setKind] = useState<Proof["kind"]>("secret_key");
  const [secret, setSecret] = useState("");
  const [name, setName] = useState("");
  const [readsOnly, setReadsOnly] = useState(false);
  const [address, setAddress] = useState(rememberedApiUrl);
  const { submit, failure, isBusy } = useSubmit({ kind, secret, name, readsOnly, address }, () => setSecret(""));
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        {failure !== null && <ErrorState error={failure} title="Not signed in" />}
        {!isServedByApi() && (
          <TextInput
            label="Address of the API"
            description="Your Supabase project (https://….supabase.co) or clerk-sync server."
            value={address}
            onChange={(event) => setAddress(event.currentTarget.value)}
            required
            withAsterisk={false}
            inputMode="url"
          />
        )}
        <ProofFields kind={kind} setKind={setKind} secret={secret} setSecret={setSecret} />
        <TextInput
          label="Your name"
          description="Goes into the audit with all that you do."
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          required
          withAsterisk={false}
          maxLength={80}
          autoComplete="name"
        />
        <Checkbox
          label="Only look: sign in as a viewer"
          checked={readsOnly}
          onChange={(event) => setReadsOnly(event.currentTarget.checked)}
        />
        <Button type="submit" loading={isBusy} mt="xs">
          Sign in
        </Button>
      </Stack>
    </form>
  );
}

type ProofProps = {
  kind: Proof["kind"];
  setKind: (kind: Proof["kind"]) => void;
  secret: string;
  setSecret: (secret: string) => void;
};

function ProofFields({ kind, setKind, secret, setSecret }: ProofProps) {
  return (
    <>
      <Input.Wrapper label="Sign in with">
        <SegmentedControl
          fullWidth
          data={kinds}
          value={kind}
          onChange={(value) => setKind(value as Proof["kind"])}
          aria-label="Sign in with"
        />
      </Input.Wrapper>
      <PasswordInput
        label={kind === "secret_key" ? "Secret key" : "Session token"}
        description={secretHelp[kind]}
        value={secret}
        onChange={(event) => setSecret(event.currentTarget.value)}
        visibilityToggleButtonProps={{ "aria-label": "Show or hide the secret" }}
        required
        withAsterisk={false}
        autoComplete="off"
      />
    </>
  );
}

type Entered = { kind: Proof["kind"]; secret: string; name: string; readsOnly: boolean; address: string };

function useSubmit({ kind, secret, name, readsOnly, address }: Entered, forget: () => void) {
  const [failure, setFailure] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const enter = async () => {
    const apiUrl = isServedByApi() ? ownApiUrl() : readApiUrl(address);
    if (apiUrl === null) throw new Error("The address must be a URL that begins with https://.");
    const asked = { name: name.trim(), ...(readsOnly ? { right: "viewer" as const } : {}) };
    const session = await signIn(apiUrl, { kind, secret }, asked);
    rememberApiUrl(apiUrl);
    forget();
    startSession(session);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    enter()
      .catch(setFailure)
      .finally(() => setBusy(false));
  };
  return { submit, failure, isBusy };
}
