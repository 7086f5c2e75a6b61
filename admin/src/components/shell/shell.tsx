import { AppShell, Burger, Group } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useEffect, useRef } from "react";
import { Outlet, ScrollRestoration, useLocation, useNavigation } from "react-router";
import { CallerMenu } from "./caller-menu.tsx";
import { Navigation } from "./navigation.tsx";
import { ProductName } from "./product-name.tsx";
import { RefreshState } from "./refresh-state.tsx";
import { SearchBox } from "./search-box.tsx";
import classes from "./shell.module.css";
import { ShortcutsDialog } from "./shortcuts-dialog.tsx";
import { useShortcuts } from "./use-shortcuts.ts";

/** The frame of all pages: header, navigation, and the page itself. */
export function Shell() {
  const [isOpen, { toggle, close }] = useDisclosure(false);
  const [isHelpShown, help] = useDisclosure(false);
  useShortcuts(help.open);
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 208, breakpoint: "sm", collapsed: { mobile: !isOpen } }}
      padding={{ base: "sm", sm: "lg" }}
    >
      <a href="#main" className="skip-link">
        Skip to the content
      </a>
      <AppShell.Header className={classes.bar} component="header">
        <Group h="100%" px={{ base: "sm", sm: "md" }} gap="sm" wrap="nowrap">
          <Burger opened={isOpen} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Navigation" />
          <ProductName />
          <SearchBox />
          <Group gap={6} wrap="nowrap" ml="auto" style={{ flexShrink: 0 }}>
            <RefreshState />
            <CallerMenu showHelp={help.open} />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar className={classes.bar} p="xs" aria-label="Pages">
        <Navigation onChosen={close} showHelp={help.open} />
      </AppShell.Navbar>
      <Content />
      <ScrollRestoration />
      <ShortcutsDialog isShown={isHelpShown} close={help.close} />
    </AppShell>
  );
}

/** The page. After going to another one, the keyboard starts at its top. */
function Content() {
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const { state } = useNavigation();
  const shown = useRef(pathname);
  useEffect(() => {
    if (shown.current === pathname) return;
    shown.current = pathname;
    main.current?.focus({ preventScroll: true });
  }, [pathname]);
  return (
    <AppShell.Main id="main" tabIndex={-1} ref={main} aria-busy={state === "loading"}>
      <div className={classes.page}>
        <Outlet />
      </div>
    </AppShell.Main>
  );
}
