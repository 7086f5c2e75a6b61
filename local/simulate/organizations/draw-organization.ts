import { createHistories } from "../draw-history.ts";
import type { Scenario } from "../plan-scenario.ts";
import { createRandom, drawId, type Random } from "../random.ts";

/** An organization at Clerk at one moment. */
export type OrganizationState = {
  id: string;
  name: string;
  /** Null where an app has no slugs. */
  slug: string | null;
  createdBy: string;
  createdAt: number;
  updatedAt: number;
};

export type MembershipState = { id: string; userId: string; role: string; createdAt: number; updatedAt: number };

type InvitationState = { id: string; email: string; status: "pending" | "accepted"; userId: string | null };

/** Something that happened to an organization: what, when (Unix milliseconds), and how it was then. */
export type OrganizationHappening = { at: number; organization: OrganizationState } & (
  | { type: "organization.created" | "organization.updated" | "organization.deleted" }
  | {
      type: "organizationMembership.created" | "organizationMembership.updated" | "organizationMembership.deleted";
      membership: MembershipState;
    }
  | { type: "organizationInvitation.created" | "organizationInvitation.accepted"; invitation: InvitationState }
);

/** All that happened to one organization, oldest first; never empty. */
export type OrganizationHistory = readonly [OrganizationHappening, ...OrganizationHappening[]];

const names = ["Acme Inc", "  Padded & Co  ", "O'Brien <b>Ltd</b>", "Müller 🦊 GmbH", "株式会社", "D&D"] as const;
const roles = ["org:admin", "org:member", "org:editor"] as const;
const minute = 60_000;
/** How long ago the first of it happened at most. */
const longestAge = 20 * 60 * minute;

/** Draws so many organizations whose members are the users of a scenario. */
export function drawOrganizations(scenario: Scenario, count: number): OrganizationHistory[] {
  const histories = createHistories(scenario);
  const userId = (user: number) => histories(user)[0].user.id;
  return Array.from({ length: count }, (_, place) => drawOrganization(scenario, place, userId));
}

type Draw = {
  random: Random;
  key: string;
  userId: (user: number) => string;
  users: number;
  /** When the next thing happens. */
  next: () => number;
};

function drawOrganization(scenario: Scenario, place: number, userId: Draw["userId"]): OrganizationHistory {
  const key = `${scenario.key}/organization/${place}`;
  const random = createRandom(`${key}/history`);
  const changes = random.integer(4, 12);
  let time = scenario.now - random.integer(2 * 60 * minute, longestAge);
  const step = Math.floor((scenario.now - time) / (3 * (changes + 2)));
  const next = () => {
    time += random.integer(1, step);
    return time;
  };
  const draw: Draw = { random, key, userId, users: scenario.users, next };
  const createdAt = next();
  const creator = userId(random.integer(0, scenario.users - 1));
  const organization: OrganizationState = {
    id: drawId("org", key),
    name: random.pick(names),
    slug: random.chance(70) ? `acme-${place}` : null,
    createdBy: creator,
    createdAt,
    updatedAt: createdAt,
  };
  const history: [OrganizationHappening, ...OrganizationHappening[]] = [
    { type: "organization.created", at: createdAt, organization },
  ];
  const story = createStory(organization, history, draw);
  story.join(creator, "org:admin");
  for (let change = 0; change < changes; change++) random.pick([...story.changes])();
  if (random.chance(15)) story.end();
  return history;
}

/** What may happen to an organization, written into its history. */
function createStory(organization: OrganizationState, history: OrganizationHappening[], draw: Draw) {
  const { random, key, next } = draw;
  const members = new Map<string, MembershipState>();
  const left: string[] = [];
  let state = organization;
  let made = 0;
  const join = (userId: string, role: string) => {
    const at = next();
    const membership = { id: drawId("orgmem", `${key}/${made++}`), userId, role, createdAt: at, updatedAt: at };
    members.set(userId, membership);
    history.push({ type: "organizationMembership.created", at, organization: state, membership });
  };
  const outsider = (): string | null => {
    const userId = draw.userId(random.integer(0, draw.users - 1));
    return members.has(userId) ? null : userId;
  };
  const anyMember = (): MembershipState | undefined => [...members.values()][random.integer(0, members.size - 1)];
  const add = () => {
    const userId = outsider();
    if (userId !== null) join(userId, random.pick(roles));
  };
  const invite = () => {
    const userId = outsider();
    const invitation = { id: drawId("orginv", `${key}/${made++}`), email: `guest${made}@example.com` };
    history.push({
      type: "organizationInvitation.created",
      at: next(),
      organization: state,
      invitation: { ...invitation, status: "pending", userId: null },
    });
    if (userId === null || random.chance(30)) return;
    history.push({
      type: "organizationInvitation.accepted",
      at: next(),
      organization: state,
      invitation: { ...invitation, status: "accepted", userId },
    });
    join(userId, "org:member");
  };
  const leave = () => {
    const membership = anyMember();
    if (membership === undefined || members.size === 1) return;
    members.delete(membership.userId);
    left.push(membership.userId);
    history.push({ type: "organizationMembership.deleted", at: next(), organization: state, membership });
  };
  const comeBack = () => {
    const userId = left.pop();
    if (userId !== undefined && !members.has(userId)) join(userId, random.pick(roles));
  };
  const changeRole = () => {
    const membership = anyMember();
    if (membership === undefined) return;
    const at = next();
    const changed = { ...membership, role: random.pick(roles), updatedAt: at };
    members.set(changed.userId, changed);
    history.push({ type: "organizationMembership.updated", at, organization: state, membership: changed });
  };
  const rename = () => {
    const at = next();
    state = { ...state, name: `${random.pick(names)} ${random.integer(2, 9)}`, updatedAt: at };
    history.push({ type: "organization.updated", at, organization: state });
  };
  return {
    join,
    changes: [add, add, invite, leave, leave, comeBack, comeBack, changeRole, rename] as const,
    /** Clerk says nothing of the memberships that end with it. */
    end: () => void history.push({ type: "organization.deleted", at: next(), organization: state }),
  };
}
