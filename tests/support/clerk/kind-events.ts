import type { KindEvent } from "../database/kind-queue.ts";

// Events of organizations and what belongs to them, as jobs. Times are minutes after a fixed time of the past.

const start = Date.parse("2026-01-05T12:00:00Z");
export const minute = (count: number): number => start + count * 60_000;
const iso = (count: number) => new Date(minute(count)).toISOString();

type Facts = Record<string, unknown>;

export function organization(id: string, at: number, facts: Facts = {}): KindEvent {
  return {
    job_type: "ORGANIZATION_UPDATED",
    clerk_id: id,
    version: minute(at),
    payload: organizationPayload(id, at, facts),
  };
}

function organizationPayload(id: string, at: number, facts: Facts): Facts {
  return {
    clerk_id: id,
    name: `Name of ${id}`,
    slug: null,
    image_url: null,
    public_metadata: {},
    created_by: null,
    max_allowed_memberships: 5,
    created_at: iso(0),
    updated_at: iso(at),
    ...facts,
  };
}

/** `made`: when Clerk made the membership; `org`: the time of the embedded organization, none where it is null. */
export function membership(
  id: string,
  [organizationId, userId]: readonly [string, string],
  at: number,
  { made = 1, org = 0, ...facts }: Facts & { made?: number; org?: number | null } = {},
): KindEvent {
  return {
    job_type: "MEMBERSHIP_UPDATED",
    clerk_id: id,
    version: minute(at),
    payload: {
      organization_id: organizationId,
      user_id: userId,
      role: "org:member",
      public_metadata: {},
      created_at: iso(made),
      updated_at: iso(at),
      ...(org === null
        ? {}
        : {
            organization: { version: minute(org), payload: organizationPayload(organizationId, org, {}) },
          }),
      ...facts,
    },
  };
}

export function membershipDeleted(
  id: string,
  [organizationId, userId]: readonly [string, string],
  at: number,
  made = 1,
): KindEvent {
  return {
    job_type: "MEMBERSHIP_DELETED",
    clerk_id: id,
    version: minute(at),
    payload: { organization_id: organizationId, user_id: userId, created_at: iso(made) },
  };
}

export const organizationDeleted = (id: string, at: number): KindEvent => ({
  job_type: "ORGANIZATION_DELETED",
  clerk_id: id,
  version: minute(at),
});

export const user = (id: string, at: number): KindEvent => ({
  job_type: "USER_UPDATED",
  clerk_id: id,
  version: minute(at),
  payload: {
    email: `${id}@example.com`,
    email_verified: true,
    name: id,
    external_id: null,
    created_at: iso(0),
    banned: false,
    locked: false,
    deprovisioned: false,
  },
});

export const userDeleted = (id: string, at: number): KindEvent => ({
  job_type: "USER_DELETED",
  clerk_id: id,
  version: minute(at),
});

export function role(id: string, key: string, at: number, permissions: readonly string[] = []): KindEvent {
  return {
    job_type: "ROLE_UPDATED",
    clerk_id: id,
    version: minute(at),
    payload: { key, name: key, description: null, permissions },
  };
}
