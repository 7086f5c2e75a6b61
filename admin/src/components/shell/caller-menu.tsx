import {
  Badge,
  Button,
  Group,
  type MantineColorScheme,
  Menu,
  Stack,
  Text,
  useMantineColorScheme,
  VisuallyHidden,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { endSession, useSession } from "../../api/session.ts";
import { formatTime } from "../../format-time.ts";
import { Icon, type IconName } from "../icon.tsx";
import { ViewerLinkDialog } from "./viewer-link-dialog.tsx";

const schemes = [
  { value: "light", label: "Light", icon: "sun" },
  { value: "dark", label: "Dark", icon: "moon" },
  { value: "auto", label: "As the system", icon: "auto" },
] as const satisfies { value: string; label: string; icon: IconName }[];

/** Who is signed in, by which right, and what belongs to the person and not to a page. */
export function CallerMenu({ showHelp }: { showHelp: () => void }) {
  const { caller, apiUrl } = useSession();
  const [isLinkShown, link] = useDisclosure(false);
  return (
    <>
      <Menu position="bottom-end" width={260} withinPortal>
        <Menu.Target>
          <Button variant="default" size="xs" px="xs">
            <Group gap={6} wrap="nowrap">
              <Text size="xs" maw={120} truncate visibleFrom="xs">
                {caller.name}
              </Text>
              <Badge
                size="xs"
                style={{ flexShrink: 0 }}
                variant="light"
                color={caller.right === "operator" ? "indigo" : "gray"}
                tt="none"
              >
                {caller.right}
              </Badge>
              <VisuallyHidden>menu</VisuallyHidden>
              <Icon name="down" size={12} />
            </Group>
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Stack gap={0} px="sm" py={6}>
            <Text size="sm" fw={600} truncate>
              {caller.name}
            </Text>
            <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
              {caller.right} at {new URL(apiUrl).host}
              {caller.expires_at && `, signed in until ${formatTime(caller.expires_at).slice(0, -3)}`}
            </Text>
          </Stack>
          <Menu.Divider />
          <SchemeItems />
          <Menu.Divider />
          {caller.right === "operator" && <Menu.Item onClick={link.open}>Make a read-only link</Menu.Item>}
          <Menu.Item onClick={showHelp}>Keyboard shortcuts</Menu.Item>
          <Menu.Item onClick={() => endSession()}>Sign out</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <ViewerLinkDialog isShown={isLinkShown} close={link.close} />
    </>
  );
}

function SchemeItems() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <>
      <Menu.Label>Colours</Menu.Label>
      <Menu.RadioGroup value={colorScheme} onChange={(value) => setColorScheme(value as MantineColorScheme)}>
        {schemes.map(({ value, label, icon }) => (
          <Menu.RadioItem key={value} value={value} rightSection={<Icon name={icon} size={16} />} closeMenuOnClick>
            {label}
          </Menu.RadioItem>
        ))}
      </Menu.RadioGroup>
    </>
  );
}
