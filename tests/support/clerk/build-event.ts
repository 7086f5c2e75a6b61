import { readFile } from "node:fs/promises";
import { z } from "zod";

const fixture = z
  .object({ data: z.record(z.string(), z.unknown()) })
  .loose()
  .parse(JSON.parse(await readFile(new URL("../../fixtures/clerk/user.created.json", import.meta.url), "utf8")));

/** Clerk's clock in tests: version n is n ms after a fixed moment, and larger than any Unix time in seconds. */
export function at(version: number): number {
  return 1_763_900_000_000 + version;
}

/** What a test says of a user; everything else is that of the fixture user.created.json. */
export type UserFacts = {
  id: string;
  version: number;
  email?: string | null;
  verified?: boolean;
  phone?: string | null;
  firstName?: string | null;
  lastName?: string | null;
  role?: unknown;
  unsafeRole?: string;
  banned?: boolean;
  externalId?: string;
};

/** A user.created or user.updated event as Clerk sends it, with the full snapshot of the user. */
export function userEvent(type: "user.created" | "user.updated", facts: UserFacts) {
  const email = facts.email === undefined ? `${facts.id.toLowerCase()}@example.com` : facts.email;
  const addresses = [{ id: "idn_other", email_address: `other.${facts.id.toLowerCase()}@example.com` }];
  return {
    ...fixture,
    type,
    timestamp: at(facts.version),
    data: {
      ...fixture.data,
      id: facts.id,
      updated_at: at(facts.version),
      first_name: facts.firstName === undefined ? "Ada" : facts.firstName,
      last_name: facts.lastName === undefined ? "Lovelace" : facts.lastName,
      external_id: facts.externalId ?? null,
      email_addresses: email === null ? addresses : [...addresses, emailAddress(email, facts.verified ?? true)],
      primary_email_address_id: email === null ? null : "idn_primary",
      phone_numbers: facts.phone
        ? [{ id: "idn_phone", phone_number: facts.phone, verification: { status: "verified" } }]
        : [],
      primary_phone_number_id: facts.phone ? "idn_phone" : null,
      public_metadata: facts.role === undefined ? {} : { role: facts.role },
      unsafe_metadata: facts.unsafeRole === undefined ? {} : { role: facts.unsafeRole },
      private_metadata: { stripe_key: "sk_private_do_not_store" },
      banned: facts.banned ?? false,
    },
  };
}

/** A user.deleted event; Clerk's schema lets both ids be absent. */
export function deletedEvent(facts: { id?: string; externalId?: string; version: number }) {
  const { id, externalId, version } = facts;
  const data = {
    object: "user",
    deleted: true,
    ...(id ? { id } : {}),
    ...(externalId ? { external_id: externalId } : {}),
  };
  return { type: "user.deleted", object: "event", instance_id: fixture["instance_id"], timestamp: at(version), data };
}

function emailAddress(email: string, verified: boolean) {
  const verification = { status: verified ? "verified" : "unverified", strategy: "email_code" };
  return { id: "idn_primary", object: "email_address", email_address: email, verification };
}
