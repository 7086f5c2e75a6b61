import type { Context, Hono } from "hono";
import { answer, clerkError } from "./error-response.ts";
import type { UserStore } from "./item-store.ts";
import { listRecords } from "./list-records.ts";
import type { ClerkApiMembership, ClerkApiOrganization, OrganizationStore } from "./organization-store.ts";

export type Instance = OrganizationStore & {
  users: UserStore;
  /** False: the instance has organizations switched off. */
  hasOrganizations: boolean;
};

/** Versions of the API without roles, permissions and role sets; without the header it is the oldest [inferred]. */
const versionsWithoutRoles = ["2021-02-05", "2025-03-12"];

/** The routes of organizations and what belongs to them, under /v1. */
export function addOrganizationRoutes(app: Hono, instance: Instance): void {
  const { organizations, memberships, roles, permissions, invitations } = instance;
  for (const path of ["organizations", "organization_memberships", "organization_invitations", "organization_roles"]) {
    for (const route of [`/v1/${path}`, `/v1/${path}/*`])
      app.use(route, (context, next) => guard(context, instance, next));
  }
  app.use("/v1/users/:id/organization_memberships", (context, next) => guard(context, instance, next));
  for (const route of ["/v1/organization_roles", "/v1/organization_roles/*", "/v1/organization_permissions"]) {
    app.use(route, async (context, next) => {
      const version = context.req.header("clerk-api-version") ?? versionsWithoutRoles[0];
      return versionsWithoutRoles.includes(version ?? "") ? context.notFound() : next();
    });
  }
  const show = (organization: ClerkApiOrganization, context: Context) =>
    context.req.query("include_members_count") === "true"
      ? { ...organization, members_count: instance.membershipsOf("organization", organization.id).length }
      : organization;
  const embed = (membership: ClerkApiMembership) => ({
    ...membership,
    organization: organizations.get(membership.organization.id) ?? membership.organization,
  });

  app.get("/v1/organizations", (context) => {
    const { query = "" } = context.req.query();
    const members = new Set(context.req.queries("user_id")?.map((id) => id.replace(/^[+ ]/, "")));
    return listRecords(context, {
      items: organizations.sorted("created_at"),
      orders: ["name"],
      ids: { organization_id: ({ id }) => id },
      isWanted: (organization) =>
        matches(query, organization.id, [organization.name, organization.slug]) &&
        (members.size === 0 || isMember(instance, organization.id, members)),
      show: (organization) => show(organization, context),
    });
  });
  app.get("/v1/organizations/:id", (context) => {
    const asked = context.req.param("id");
    const found = organizations.get(asked) ?? [...organizations.values()].find(({ slug }) => slug === asked);
    return found === undefined ? missing(context, asked) : answer(context, 200, show(found, context));
  });
  app.get("/v1/organizations/:id/memberships", (context) => {
    const id = context.req.param("id");
    if (!organizations.has(id)) return missing(context, id);
    return listRecords(context, {
      items: instance.membershipsOf("organization", id),
      ids: { user_id: (membership) => membership.public_user_data.user_id, role: ({ role }) => role },
      show: embed,
    });
  });
  app.get("/v1/users/:id/organization_memberships", (context) => {
    const id = context.req.param("id");
    if (!instance.users.has(id)) return missing(context, id); // the description says nothing of it [inferred]
    return listRecords(context, { items: instance.membershipsOf("user", id), show: embed });
  });
  app.get("/v1/organization_memberships", (context) =>
    listRecords(context, { items: memberships.sorted("created_at"), show: embed }),
  );
  app.get("/v1/organization_invitations", (context) => {
    const { status, query = "" } = context.req.query();
    return listRecords(context, {
      items: invitations.sorted("created_at"),
      orders: ["email_address"],
      isWanted: (invitation) =>
        (status ?? invitation.status) === invitation.status && matches(query, "", [invitation.email_address]),
    });
  });
  for (const [path, items] of [
    ["organization_roles", roles],
    ["organization_permissions", permissions],
  ] as const) {
    app.get(`/v1/${path}`, (context) => {
      const { query = "" } = context.req.query();
      return listRecords(context, {
        items: items.sorted("created_at"),
        orders: ["name", "key"],
        isWanted: ({ id, name, key }) => matches(query, id, [name, key]),
      });
    });
  }
  app.get("/v1/organization_roles/:id", (context) => {
    const id = context.req.param("id");
    const role = roles.get(id);
    return role === undefined ? missing(context, id) : answer(context, 200, role);
  });
  app.get("/v1/instance/organization_settings", (context) =>
    answer(context, 200, {
      object: "organization_settings",
      enabled: instance.hasOrganizations,
      slug_disabled: false,
      max_allowed_memberships: 5,
    }),
  );
}

/** The code is that of Clerk's answers to browsers; the description of this API says no more than 403 [inferred]. */
async function guard(context: Context, { hasOrganizations }: Instance, next: () => Promise<void>) {
  if (hasOrganizations) return next();
  return clerkError(context, 403, "organization_not_enabled_in_instance", "Organizations are not enabled.");
}

function missing(context: Context, id: string): Response {
  return clerkError(context, 404, "resource_not_found", `Nothing was found with id ${id}.`);
}

/** An exact id, or a part of one of the texts. */
function matches(query: string, id: string, texts: readonly (string | null | undefined)[]): boolean {
  return query === "" || query === id || texts.some((text) => text?.toLowerCase().includes(query.toLowerCase()));
}

function isMember(instance: Instance, organizationId: string, userIds: ReadonlySet<string>): boolean {
  return instance
    .membershipsOf("organization", organizationId)
    .some((membership) => userIds.has(membership.public_user_data.user_id));
}
