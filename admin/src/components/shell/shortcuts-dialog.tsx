import { Group, Kbd, Modal, Table } from "@mantine/core";
import { pageLinks } from "./pages.ts";

const shortcuts: readonly [keys: readonly string[], what: string][] = [
  ...pageLinks.map(({ key, name }) => [["g", key], `Go to ${name}`] as [string[], string]),
  [["/"], "Search"],
  [["?"], "Show this list"],
  [["Esc"], "Close a dialog"],
];

export function ShortcutsDialog({ isShown, close }: { isShown: boolean; close: () => void }) {
  return (
    <Modal opened={isShown} onClose={close} title="Keyboard shortcuts" closeButtonProps={{ "aria-label": "Close" }}>
      <Table withRowBorders={false}>
        <Table.Tbody>
          {shortcuts.map(([keys, what]) => (
            <Table.Tr key={what}>
              <Table.Td w={90}>
                <Group gap={4} wrap="nowrap">
                  {keys.map((key) => (
                    <Kbd key={key}>{key}</Kbd>
                  ))}
                </Group>
              </Table.Td>
              <Table.Td>{what}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Modal>
  );
}
