import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { createContext, type FormEvent, type ReactNode, useCallback, useContext, useMemo, useState } from "react";

export type Question = {
  title: string;
  /** What will happen, to how many, and whether it can be taken back. */
  body: ReactNode;
  /** The verb of the button: "Retry 12 jobs". */
  action: string;
  /** What has to be typed before the button works; for what cannot be taken back. */
  typed?: string;
  isDangerous?: boolean;
};

type Ask = (question: Question) => Promise<boolean>;
type Open = { question: Question; answer: (isYes: boolean) => void };

const ConfirmContext = createContext<Ask>(() => Promise.resolve(false));

/** Asks before an action: `if (await confirm({ … })) …`. */
export function useConfirm(): Ask {
  return useContext(ConfirmContext);
}

export function ConfirmProvider({ children }: { children: ReactNode }) {
  const [open, setOpen] = useState<Open | null>(null);
  const [isShown, setShown] = useState(false);
  const ask = useCallback<Ask>(
    (question) =>
      new Promise((resolve) => {
        setOpen({ question, answer: resolve });
        setShown(true);
      }),
    [],
  );
  const answer = (isYes: boolean) => {
    setShown(false);
    open?.answer(isYes);
  };
  const dialog = useMemo(() => open?.question ?? null, [open]);
  return (
    <ConfirmContext value={ask}>
      {children}
      <Modal opened={isShown} onClose={() => answer(false)} title={dialog?.title} closeButtonProps={closeLabel}>
        {dialog && isShown && <Answers question={dialog} answer={answer} />}
      </Modal>
    </ConfirmContext>
  );
}

const closeLabel = { "aria-label": "Close" };

function Answers({ question, answer }: { question: Question; answer: (isYes: boolean) => void }) {
  const [typed, setTyped] = useState("");
  const isReady = question.typed === undefined || typed.trim() === question.typed;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isReady) answer(true);
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <Text size="sm" component="div">
          {question.body}
        </Text>
        {question.typed !== undefined && (
          <TextInput
            label={`Type ${question.typed} to confirm`}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            autoComplete="off"
            data-autofocus
          />
        )}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={() => answer(false)}>
            Leave it
          </Button>
          <Button type="submit" disabled={!isReady} {...(question.isDangerous ? { color: "red" } : {})}>
            {question.action}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
