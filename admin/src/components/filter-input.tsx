import { TextInput, type TextInputProps } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useEffect, useState } from "react";

type Props = Omit<TextInputProps, "value" | "onChange"> & {
  label: string;
  /** What is filtered by. */
  value: string | undefined;
  onChange: (value: string) => void;
};

/** A filter that one types: applied when the typing rests, or at Enter. */
export function FilterInput({ value = "", onChange, ...props }: Props) {
  const [typed, setTyped] = useState(value);
  const apply = useDebouncedCallback(onChange, 400);
  useEffect(() => setTyped(value), [value]);
  return (
    <TextInput
      size="xs"
      autoComplete="off"
      spellCheck={false}
      {...props}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        apply(event.currentTarget.value);
      }}
      onKeyDown={(event) => event.key === "Enter" && onChange(typed)}
    />
  );
}
