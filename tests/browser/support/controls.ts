import { appendFile, mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";

/** A control of a page, named without the ids and numbers in it: "Audit: button Load more". */
export type Seen = { control: string; how: "found" | "used" };

/** What all specs of a run found and used, a line each; specs run in several processes one after the other. */
export const controlsFile = fileURLToPath(new URL("../../../.test-results/browser-controls.jsonl", import.meta.url));

/** Notes every control that a page shows, and every one that is clicked or typed into. */
export async function watchControls(page: Page): Promise<() => Promise<void>> {
  const seen: Seen[] = [];
  await page.exposeFunction("noteControl", (control: string, how: Seen["how"]) => void seen.push({ control, how }));
  await page.addInitScript(`(${describeControls})(); (${noteControls})();`);
  return async () => {
    await mkdir(path.dirname(controlsFile), { recursive: true });
    await appendFile(controlsFile, seen.map((each) => `${JSON.stringify(each)}\n`).join(""));
  };
}

export async function readControls(): Promise<{ found: Set<string>; used: Set<string> }> {
  const lines = (await readFile(controlsFile, "utf8")).trim().split("\n");
  const seen = lines.map((line) => JSON.parse(line) as Seen);
  const of = (how: Seen["how"]) => new Set(seen.filter((each) => each.how === how).map(({ control }) => control));
  return { found: of("found"), used: of("used") };
}

type InPage = {
  describeControl: (element: Element) => string | null;
  noteControl: (text: string, how: string) => void;
};

/** Runs in the page, so it may use nothing from outside of it. */
function describeControls(): void {
  const withoutIds = (text: string) =>
    text
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}|(?:user|msg|inst?)_\w+|\S+@\S+/gi, "<id>")
      .replace(/\b[a-z]+_[a-z_]+/g, "<code>")
      .replace(/\b(?:Ada|Bob|Grace)/, "<name>")
      .replace(/^Copied$/, "") // what a copy button is called for a second
      .replace(/(?:operator|viewer)(?=menu$)/, "")
      .replace(/\d[\d,.]*\+?$/, "")
      .replace(/\d[\d,.]*\+?/g, "#");
  const headingOf = (cell: HTMLTableCellElement) => cell.closest("table")?.rows[0]?.cells[cell.cellIndex]?.textContent;
  const nameOf = (element: Element) => {
    const labels = element instanceof HTMLInputElement ? [...(element.labels ?? [])] : [];
    const text = element.getAttribute("aria-label") ?? labels.map((label) => label.textContent).join(" ");
    const cell = element.closest("tbody td");
    if (cell instanceof HTMLTableCellElement && element.tagName === "A") return `in column ${headingOf(cell)}`;
    return withoutIds(text || (element.textContent ?? ""));
  };
  const roleOf = (element: Element) => {
    const roles: Record<string, string> = { A: "link", BUTTON: "button", INPUT: "input", SUMMARY: "summary" };
    return element.getAttribute("role") ?? roles[element.tagName] ?? element.tagName.toLowerCase();
  };
  const placeOf = (element: Element) => {
    if (element.closest("[role=dialog]") !== null) return "dialog";
    if (element.closest("header, nav, [role=menu], .mantine-Notifications-root") !== null) return "frame";
    return (document.querySelector("h1")?.textContent ?? "").replace(/:.*/, ""); // "Job: user created"
  };
  (globalThis as unknown as InPage).describeControl = (element) => {
    const name = nameOf(element).replace(/\s+/g, " ").trim();
    return name === "" ? null : `${placeOf(element)}: ${roleOf(element)} ${name}`;
  };
}

/** Runs in the page as well, after the one above. */
function noteControls(): void {
  const { describeControl, noteControl } = globalThis as unknown as InPage;
  const noted = new Set<string>();
  const all = "a[href], button, input, select, textarea, summary, [role=menuitem], [role=menuitemradio], [role=radio]";
  const note = (element: Element, how: string) => {
    if (element.closest("[aria-disabled=true], [disabled], [role=listbox], .skip-link") !== null) return;
    const control = describeControl(element);
    if (control === null || noted.has(`${how} ${control}`)) return;
    noted.add(`${how} ${control}`);
    noteControl(control, how);
  };
  const noteAll = () => {
    for (const element of document.querySelectorAll(all)) note(element, "found");
  };
  const use = ({ target }: Event) => {
    const element = target instanceof Element ? target.closest(all) : null;
    if (element === null) return;
    note(element, "found");
    note(element, "used");
  };
  new MutationObserver(noteAll).observe(document, { subtree: true, childList: true });
  for (const type of ["click", "input", "change"]) document.addEventListener(type, use, { capture: true });
}
