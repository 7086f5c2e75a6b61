import { AppShell, Badge, Button, Kbd, NavLink } from "@mantine/core";
import { NavLink as RouterLink, useLocation } from "react-router";
import type { Overview } from "#core/admin/contract/overview.ts";
import { useReading } from "../../api/use-reading.ts";
import { countOf } from "../../count-words.ts";
import { formatShort } from "../../format-time.ts";
import { Icon } from "../icon.tsx";
import { type PageLink, pageLinks } from "./pages.ts";
import classes from "./shell.module.css";

type Props = { onChosen: () => void; showHelp: () => void };

export function Navigation({ onChosen, showHelp }: Props) {
  const dead = useReading<Overview>("/overview").data?.jobs.statuses.DEAD ?? 0;
  return (
    <>
      <AppShell.Section grow>
        {pageLinks.map((page) => (
          <PageEntry key={page.path} page={page} onChosen={onChosen} count={page.path === "/dead-letters" ? dead : 0} />
        ))}
      </AppShell.Section>
      <AppShell.Section>
        <Button
          variant="subtle"
          color="gray"
          size="xs"
          fullWidth
          justify="space-between"
          onClick={showHelp}
          rightSection={<Kbd size="xs">?</Kbd>}
        >
          Keyboard
        </Button>
      </AppShell.Section>
    </>
  );
}

function PageEntry({ page, count, onChosen }: { page: PageLink; count: number; onChosen: () => void }) {
  const { pathname } = useLocation();
  const isActive = page.path === "/" ? pathname === "/" : pathname.startsWith(page.path);
  return (
    <NavLink
      component={RouterLink}
      to={page.path}
      end={page.path === "/"}
      label={page.name}
      noWrap
      active={isActive}
      leftSection={<Icon name={page.icon} />}
      rightSection={
        count > 0 ? (
          <Badge size="sm" color="red" variant="light" aria-label={countOf(count, "dead letter", "dead letters")}>
            {formatShort(count)}
          </Badge>
        ) : null
      }
      className={classes.link}
      onClick={onChosen}
    />
  );
}
