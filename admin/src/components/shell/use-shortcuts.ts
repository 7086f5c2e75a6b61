import { useEffect, useRef } from "react";
import { useNavigate } from "react-router";
import { type Prefix, readKey, type Shortcut } from "./shortcuts.ts";

export const searchId = "search";

/** Listens for the shortcuts, except while somebody types or a dialog is open. */
export function useShortcuts(showHelp: () => void): void {
  const prefix = useRef<Prefix>(null);
  const navigate = useNavigate();
  useEffect(() => {
    const carryOut = (shortcut: Shortcut) => {
      if (shortcut.kind === "go") void navigate(shortcut.path);
      if (shortcut.kind === "search") document.getElementById(searchId)?.focus();
      if (shortcut.kind === "help") showHelp();
    };
    const listen = (event: KeyboardEvent) => {
      if (isForSomethingElse(event)) return;
      const read = readKey(event.key, prefix.current, Date.now());
      prefix.current = read.prefix;
      if (read.shortcut === null) return;
      event.preventDefault();
      carryOut(read.shortcut);
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, [navigate, showHelp]);
}

function isForSomethingElse({ target, ctrlKey, metaKey, altKey, defaultPrevented }: KeyboardEvent): boolean {
  if (ctrlKey || metaKey || altKey || defaultPrevented || !(target instanceof HTMLElement)) return true;
  const types = target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
  return types || document.querySelector('[aria-modal="true"]') !== null;
}
