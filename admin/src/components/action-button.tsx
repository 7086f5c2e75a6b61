import { Button, type ButtonProps, Tooltip } from "@mantine/core";
import type { MouseEvent, ReactNode } from "react";
import { useRefusal } from "../api/use-client.ts";

const unshrinking = { flexShrink: 0 };

type Props = ButtonProps & {
  onClick: () => void;
  /** Why it cannot be done just now; null or nothing when it can. */
  refusal?: string | null;
  children: ReactNode;
  "aria-label"?: string;
};

/** A button that changes something: viewers find it disabled, and the reason beside it. It stays in the tab order. */
export function ActionButton({ onClick, refusal = null, ...props }: Props) {
  const reason = useRefusal() ?? refusal;
  if (reason === null) return <Button size="xs" variant="default" style={unshrinking} {...props} onClick={onClick} />;
  const ignore = (event: MouseEvent) => event.preventDefault();
  return (
    <Tooltip label={reason}>
      <Button
        size="xs"
        variant="default"
        style={unshrinking}
        {...props}
        loading={false}
        data-disabled
        aria-disabled="true"
        aria-description={reason}
        onClick={ignore}
      />
    </Tooltip>
  );
}
