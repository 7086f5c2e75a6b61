import { describe, expect, test } from "vitest";
import { captureLog } from "../../../../tests/support/processes/capture-log.ts";
import { logger, startLogging } from "./logger.ts";

describe("a log line", () => {
  test("is one JSON object with time, level, event and the properties", async () => {
    const lines = await captureLog();
    const before = Date.now();
    logger.error("job.dead", { job_id: "job_1", attempt: 3 });
    expect(lines).toHaveLength(1);
    const { time, ...rest } = JSON.parse(lines[0]?.text ?? "");
    expect(rest).toEqual({ level: "error", event: "job.dead", job_id: "job_1", attempt: 3 });
    expect(new Date(time).toISOString()).toBe(time);
    expect(Date.parse(time)).toBeGreaterThanOrEqual(before);
  });

  test("stays one line whatever the properties hold", async () => {
    const lines = await captureLog();
    logger.info("odd", { text: 'a\nb\r"}\u2028', list: ["\n"] });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.text).not.toMatch(/[\r\n]/);
    expect(JSON.parse(lines[0]?.text ?? "")).toMatchObject({ text: 'a\nb\r"}\u2028', list: ["\n"] });
  });

  test("goes to the method of its level", async () => {
    const lines = await captureLog();
    logger.debug("one");
    logger.info("two");
    logger.warn("three");
    logger.error("four");
    const seen = lines.map(({ method, text }) => [method, JSON.parse(text).level, JSON.parse(text).event]);
    expect(seen).toEqual([
      ["debug", "debug", "one"],
      ["info", "info", "two"],
      ["warn", "warning", "three"],
      ["error", "error", "four"],
    ]);
  });
});

describe("the lowest level", () => {
  const logAll = () => {
    logger.debug("debug");
    logger.info("info");
    logger.warn("warning");
    logger.error("error");
  };

  test.each([
    ["debug", ["debug", "info", "warning", "error"]],
    ["info", ["info", "warning", "error"]],
    ["warning", ["warning", "error"]],
    ["error", ["error"]],
  ] as const)("%s lets %o through", async (level, expected) => {
    const lines = await captureLog(level);
    logAll();
    expect(lines.map(({ text }) => JSON.parse(text).event)).toEqual(expected);
  });

  test("is info unless another is given, and starting again does not print twice", async () => {
    const lines = await captureLog();
    await startLogging();
    logAll();
    expect(lines.map(({ text }) => JSON.parse(text).event)).toEqual(["info", "warning", "error"]);
  });
});
