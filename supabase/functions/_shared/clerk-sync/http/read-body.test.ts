import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SyncError } from "../errors.ts";
import { maxBodyBytes, readBody } from "./read-body.ts";

const tooLarge = expect.objectContaining({ name: "SyncError", code: "body_too_large" });

function post(body: BodyInit | null, headers: Record<string, string> = {}): Request {
  return new Request("http://localhost/", { method: "POST", body, headers, duplex: "half" } as RequestInit);
}

/** A body that arrives in these chunks, and what became of it. */
function streamOf(chunks: readonly Uint8Array[]) {
  const state = { given: 0, cancelled: false };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        const chunk = chunks[state.given];
        state.given += 1;
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
      cancel: () => {
        state.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, state };
}

describe("what is read", () => {
  test("the bytes are those that were sent, whatever their encoding", async () => {
    const bytes = Uint8Array.of(0xff, 0xfe, 0x00, 0x7b, 0xef, 0xbb, 0xbf);
    expect(await readBody(post(bytes))).toEqual(bytes);
  });

  test("a request without a body has an empty one", async () => {
    expect(await readBody(post(null))).toEqual(new Uint8Array());
  });

  test("a body is the same in however many chunks it arrives", async () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 20 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(chunks, async (parts) => {
        const read = await readBody(post(streamOf(parts).stream));
        expect([...read]).toEqual(parts.flatMap((part) => [...part]));
      }),
    );
  });
});

describe("the limit", () => {
  test("a body of exactly the limit is read, one byte more is refused", async () => {
    expect((await readBody(post(new Uint8Array(10)), undefined, 10)).length).toBe(10);
    await expect(readBody(post(new Uint8Array(11)), undefined, 10)).rejects.toEqual(tooLarge);
  });

  test("the limit is 512 KiB unless another is given", async () => {
    expect((await readBody(post(new Uint8Array(524_288)))).length).toBe(524_288);
    await expect(readBody(post(new Uint8Array(524_289)))).rejects.toEqual(tooLarge);
    expect(maxBodyBytes).toBe(524_288);
  });

  test("a body announced as too large is refused before any of it is read", async () => {
    const { stream, state } = streamOf([new Uint8Array(1)]);
    await expect(readBody(post(stream, { "content-length": "11" }), undefined, 10)).rejects.toEqual(tooLarge);
    expect(state.given).toBe(0);
  });

  test.each(["1", "-5", "none", ""])("a body is counted although its Content-Length says %o", async (length) => {
    const { stream } = streamOf([new Uint8Array(6), new Uint8Array(6)]);
    await expect(readBody(post(stream, { "content-length": length }), undefined, 10)).rejects.toEqual(tooLarge);
  });

  test("of a body that is too large the rest is dropped, so that its connection stays usable", async () => {
    const { stream, state } = streamOf(Array.from({ length: 1000 }, () => new Uint8Array(4)));
    await expect(readBody(post(stream), undefined, 10)).rejects.toEqual(tooLarge);
    expect(state).toEqual({ given: 1001, cancelled: false });
  });

  test("an endless body is cancelled after 2 MiB", async () => {
    const { stream, state } = streamOf(new Array(1000).fill(new Uint8Array(1024 * 1024)));
    await expect(readBody(post(stream), undefined, 10)).rejects.toEqual(tooLarge);
    expect(state).toEqual({ given: 3, cancelled: true });
  });
});

describe("a body that does not arrive whole", () => {
  test("is the sender's failure, with its cause", async () => {
    const cause = new Error("socket hang up");
    const stream = new ReadableStream({ pull: (controller) => controller.error(cause) });
    await expect(readBody(post(stream))).rejects.toMatchObject({ code: "body_incomplete", cause });
  });
});

test("each piece is told as it arrives until that throws, which is thrown when the rest has arrived", async () => {
  const { stream, state } = streamOf([new Uint8Array(3), new Uint8Array(4), new Uint8Array(5)]);
  const told: number[] = [];
  const full = new SyncError("overloaded", "full");
  const onBytes = (count: number) => {
    told.push(count);
    if (count === 4) throw full;
  };
  await expect(readBody(post(stream), onBytes)).rejects.toBe(full);
  expect([told, state.given, state.cancelled]).toEqual([[3, 4], 4, false]);
});
