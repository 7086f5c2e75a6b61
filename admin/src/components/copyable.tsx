import { ActionIcon, CopyButton, Group, Tooltip } from "@mantine/core";
import type { ReactNode } from "react";
import { Icon } from "./icon.tsx";

type Props = { value: string; what: string /** Shown instead of the id, for instance a link. */; children?: ReactNode };

/** An id in fixed width, with a button that copies it. `what` names it: "job id". */
export function Copyable({ value, what, children = value }: Props) {
  return (
    <Group gap={4} wrap="nowrap" display="inline-flex">
      <span className="ids">{children}</span>
      <CopyButton value={value}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? "Copied" : `Copy the ${what}`}>
            <ActionIcon size="sm" variant="subtle" color="gray" onClick={copy} aria-label={`Copy the ${what}`}>
              <Icon name={copied ? "check" : "copy"} size={14} />
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </Group>
  );
}
