import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { LaunchOptions } from "@playwright/test";

/**
 * The browser that travels inside the npm package @sparticuz/chromium (Linux on x64; it unpacks itself once into the
 * folder for temporary files), the one that PLAYWRIGHT_CHROMIUM names, or else whichever Playwright has installed.
 * The package's own arguments are not taken: they run everything in one process and turn off web security.
 */
export async function findChromium(): Promise<LaunchOptions> {
  const args = ["--no-sandbox", "--font-render-hinting=none"];
  const named = process.env["PLAYWRIGHT_CHROMIUM"];
  if (named) return { args, executablePath: named };
  if (process.platform !== "linux" || process.arch !== "x64") return { args };
  const { default: chromium } = await import("@sparticuz/chromium");
  return { args, executablePath: await chromium.executablePath(), env: { ...cleanEnvironment(), ...fonts() } };
}

/** Where no fonts are installed, those of the package. */
function fonts(): Record<string, string> {
  return existsSync("/etc/fonts/fonts.conf") ? {} : { FONTCONFIG_PATH: path.join(tmpdir(), "fonts") };
}

function cleanEnvironment(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value ? [[name, value]] : [])));
}
