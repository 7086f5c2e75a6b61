import { expect, it } from "vitest";
import { addSlice, newDrive } from "./drive.ts";

const found = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ clerk_id: `user_${index}`, kind: "stale", fields: [] }));

it("a drive goes on until a slice is the last one", () => {
  const first = addSlice(newDrive("compare", false), { run: null, is_over: false, differences: [] });
  expect(first.isDriving).toBe(true);
  expect(addSlice(first, { run: null, is_over: true, differences: [] }).isDriving).toBe(false);
});

it("a slice that comes after the pause does not start it again", () => {
  const paused = { ...newDrive("sweep", true), isDriving: false };
  expect(addSlice(paused, { run: null, is_over: false, differences: [] }).isDriving).toBe(false);
});

it("a thousand differences are kept, and the others counted", () => {
  const slice = { run: null, is_over: false, differences: found(600) };
  const drive = [slice, slice, slice].reduce(addSlice, newDrive("compare", false));
  expect(drive.differences).toHaveLength(1000);
  expect(drive.more).toBe(800);
});
