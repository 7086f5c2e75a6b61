import { Select } from "@mantine/core";

type Props = {
  label: string;
  /** What is said when nothing is chosen. */
  all: string;
  data: readonly { value: string; label: string }[];
  value: string | undefined;
  onChange: (value: string | null) => void;
};

/** A filter that one chooses. A value that is not among the choices came by the address, and is shown as it is. */
export function FilterChoice({ label, all, data, value, onChange }: Props) {
  const isKnown = value === undefined || data.some((choice) => choice.value === value);
  const choices = [{ value: "", label: all }, ...data, ...(isKnown ? [] : [{ value, label: value }])];
  return (
    <Select
      size="xs"
      label={label}
      data={choices}
      value={value ?? ""}
      onChange={(chosen) => onChange(chosen || null)}
      allowDeselect={false}
      w={{ base: 170, sm: 146 }}
    />
  );
}
