import { type Message, simulatedInstanceId } from "../build-event.ts";
import type { Scenario } from "../plan-scenario.ts";
import { drawId } from "../random.ts";
import type { MembershipState, OrganizationHappening, OrganizationState } from "./draw-organization.ts";

const encoder = new TextEncoder();

/** The message of something that happened to an organization. `event` is its number after those of the users. */
export function buildOrganizationMessage(scenario: Scenario, event: number, happening: OrganizationHappening): Message {
  return {
    id: drawId("msg", `${scenario.key}/organizations/message/${event}`),
    body: encoder.encode(JSON.stringify(buildOrganizationEvent(happening))),
  };
}

/** The event that Clerk sends of it. */
export function buildOrganizationEvent(happening: OrganizationHappening) {
  return {
    data: dataOf(happening),
    event_attributes: { http_request: { client_ip: "", user_agent: "" } },
    instance_id: simulatedInstanceId,
    object: "event",
    timestamp: happening.at,
    type: happening.type,
  };
}

function dataOf(happening: OrganizationHappening): object {
  const { organization, at } = happening;
  if (happening.type === "organization.deleted") {
    return { deleted: true, id: organization.id, object: "organization", slug: organization.slug };
  }
  if ("membership" in happening) return membershipSnapshot(happening.membership, organization);
  if ("invitation" in happening) {
    const { id, email, status, userId } = happening.invitation;
    return {
      object: "organization_invitation",
      id,
      email_address: email,
      role: "org:member",
      role_name: "Member",
      organization_id: organization.id,
      inviter_id: organization.createdBy,
      public_inviter_data: null,
      status,
      public_metadata: {},
      private_metadata: { note: "sk_private_do_not_store" },
      url: `https://accounts.example.com/v1/tickets/accept?ticket=${id}`,
      expires_at: organization.createdAt + 30 * 24 * 3_600_000,
      created_at: organization.createdAt,
      updated_at: at,
      ...(userId === null ? {} : { user_id: userId }),
    };
  }
  return organizationSnapshot(organization);
}

function organizationSnapshot(organization: OrganizationState) {
  return {
    object: "organization",
    id: organization.id,
    name: organization.name,
    slug: organization.slug,
    image_url: "https://img.clerk.com/simulated-organization",
    has_image: false,
    members_count: 1,
    pending_invitations_count: 0,
    max_allowed_memberships: 5,
    admin_delete_enabled: true,
    public_metadata: {},
    private_metadata: { stripe_key: "sk_private_do_not_store" },
    created_by: organization.createdBy,
    created_at: organization.createdAt,
    updated_at: organization.updatedAt,
  };
}

/** A deletion shows the full membership as it was before, and updated_at says nothing of when it was. */
function membershipSnapshot(membership: MembershipState, organization: OrganizationState) {
  return {
    object: "organization_membership",
    id: membership.id,
    role: membership.role,
    role_name: membership.role.slice("org:".length),
    permissions: ["org:sys_memberships:read"],
    public_metadata: {},
    private_metadata: { stripe_key: "sk_private_do_not_store" },
    organization: organizationSnapshot(organization),
    public_user_data: {
      user_id: membership.userId,
      first_name: "Ada",
      last_name: null,
      image_url: "",
      has_image: false,
    },
    created_at: membership.createdAt,
    updated_at: membership.updatedAt,
  };
}
