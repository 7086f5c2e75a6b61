import { hash } from "node:crypto";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** A stream of draws; two streams of one name are the same. */
export type Random = {
  /** A whole number, both ends included. */
  integer: (from: number, to: number) => number;
  /** True in so many of a hundred draws. */
  chance: (percent: number) => boolean;
  pick: <Item>(items: readonly [Item, ...Item[]]) => Item;
};

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const idLength = 27;

/** Makes the stream of a name, such as `7/100/33/history/12`. */
export function createRandom(name: string): Random {
  const generator = xoroshiro128plus(digest(name).readInt32LE());
  const integer = (from: number, to: number) => uniformInt(generator, from, to);
  return {
    integer,
    chance: (percent) => integer(1, 100) <= percent,
    pick: (items) => items[integer(0, items.length - 1)] ?? items[0],
  };
}

/**
 * An id in Clerk's shape: prefix, underscore, 27 base62 characters. It is a hash of its name and not drawn
 * from a stream, whose 32 bits of seed would let two of some 50,000 users share an id.
 */
export function drawId(prefix: string, name: string): string {
  const characters = Array.from(digest(`${prefix}/${name}`).subarray(0, idLength), (byte) => base62[byte % 62]);
  return `${prefix}_${characters.join("")}`;
}

/** Ten characters that stand for a name in email addresses. */
export function drawTag(name: string): string {
  return digest(`tag/${name}`).readBigUInt64LE().toString(36).padStart(13, "0").slice(-10);
}

function digest(text: string): Buffer {
  return hash("sha256", text, "buffer");
}
