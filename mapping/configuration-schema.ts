import { z } from "zod";
import { isObject } from "./is-object.ts";
import { adviseSource, type Kind, pathPattern, sourcesOf } from "./source-words.ts";
import { suggestName } from "./suggest-name.ts";
import { judgeColumnName, judgeName, parseTableName } from "./table-name.ts";

/**
 * An object that has no other keys. The message of unknown keys is data for checkSchema: a line of all settings, and
 * for each unknown key a line with the setting that was probably meant.
 */
function section<Shape extends z.ZodRawShape>(shape: Shape, wanted?: string) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== "unrecognized_keys") return wanted;
      return [known.join(", "), ...issue.keys.map((key) => suggestName(key, known) ?? "")].join("\n");
    },
  });
}

/** A text that a function judges: it says what is wrong, or null. */
function judgedText(judge: (text: string) => string | null, wanted: string) {
  return z
    .string({ error: (issue) => (issue.input === undefined ? `is missing: write ${wanted}` : `write ${wanted}`) })
    .check((context) => {
      const advice = judge(context.value);
      if (advice !== null) context.issues.push({ code: "custom", message: advice, input: context.value });
    });
}

/** One of a few words. */
function oneOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  const list = words.map((each) => `\`${each}\``).join(" or ");
  return z.enum(words, {
    error: ({ input }) => {
      const meant = typeof input === "string" ? suggestName(input, words) : null;
      return meant === null ? `write ${list}` : `did you mean \`${meant}\`?`;
    },
  });
}

/** Either a plain value or an object: a problem within the object is told, and otherwise what can be written. */
function eitherOr<Plain extends z.ZodType, Detailed extends z.ZodType>(
  plain: Plain,
  detailed: Detailed,
  advice: string,
) {
  return z.union([plain, detailed], { error: ({ input }) => (isObject(input) ? undefined : advice) });
}

const tableName = judgedText((text) => {
  const parsed = parseTableName(text);
  return "advice" in parsed ? parsed.advice : null;
}, "schema.table, like `public.profiles`").describe(
  'The table: schema.table. Capitals stay as they are, without quotes: "public.User" is the table "User". A name with a dot needs quotes: "public.\\"my.table\\"".',
);

const functionName = judgedText((text) => {
  return "advice" in parseTableName(text) ? "write schema.function, like `app.on_change`" : null;
}, "schema.function, like `app.on_change`");

const columnName = judgedText(judgeColumnName, "the name of a column in double quotes");

const schemaName = judgedText(judgeName, "the name of a schema, like `clerk`");

const path = z.string().regex(pathPattern);
const publicPath = z.templateLiteral(["public_metadata.", path]);
const unsafePath = z.templateLiteral(["unsafe_metadata.", path]);

/** A source of a kind that has metadata. */
function sourceOf<const Words extends readonly [string, ...string[]]>(kind: Kind, words: Words) {
  return z
    .union([z.enum(words), publicPath], { error: ({ input }) => adviseSource(kind, input) })
    .describe(`What Clerk says of one of the ${kind}. public_metadata.<key> is one value of metadata.`);
}

const userSource = sourceOf("users", sourcesOf.users);

const anyUserSource = z
  .union([z.enum(sourcesOf.users), publicPath, unsafePath], { error: ({ input }) => adviseSource("users", input) })
  .describe("What Clerk says of the user. unsafe_metadata.<key> needs allow_unsafe.");

const defaultValue = z
  .union([z.string(), z.number(), z.boolean(), z.null()], { error: "write a text, a number, true, false or null" })
  .describe("The value where Clerk has none. A text may contain {id}, which stands for Clerk's id.");

const write = oneOf(["always", "once"]).describe(
  "once: the first value that Clerk gives is written, and only to rows that the sync made. always (default): each change is written.",
);

const allowed = z
  .array(z.string(), { error: 'write a list of texts, like ["member", "admin"]' })
  .min(1, { error: "write at least one value, or leave allowed out" })
  .describe("The only values that are written. Any other becomes the default. An enum column needs no list.");

/** The value of one line of "columns". */
function columnOf<Source extends z.ZodType, Shape extends z.ZodRawShape>(kind: Kind, source: Source, shape: Shape) {
  const advice = `write a source, like \`${sourcesOf[kind][1]}\`, or { "from": … }`;
  return z.union([source, section(shape)], {
    error: ({ input }) =>
      isObject(input) ? undefined : typeof input === "string" ? adviseSource(kind, input) : advice,
  });
}

function columnsOf<Column extends z.ZodType>(column: Column) {
  return z.record(columnName, column, {
    error: ({ input }) => (input === undefined ? 'is missing: write { "<column>": "<source>" }' : undefined),
  });
}

const userColumns = columnsOf(
  columnOf("users", userSource, {
    from: anyUserSource,
    default: defaultValue.optional(),
    write: write.optional(),
    allowed: allowed.optional(),
    allow_unsafe: z
      .boolean()
      .optional()
      .describe("Takes a key of unsafe_metadata, which every user can write. Never decide about rights by it."),
  }),
).describe("Each column that is written, and where its value comes from. Other columns stay as they are.");

const remove = eitherOr(
  oneOf(["hard"]),
  section({ soft: columnName.describe("The column that gets the time of deletion.") }),
  'write "hard", or { "soft": "<column>" }',
).describe('What a deletion does: "hard" (default) deletes the row, { "soft": "deleted_at" } marks it.');

const wantedUsers =
  'write { "table": …, "key": …, "columns": … }, or leave users out: then the sync makes a plain public.users';

const users = section(
  {
    table: tableName,
    key: columnName.describe("The column with Clerk's id: text and unique. It may be the primary key."),
    columns: userColumns,
    link_by: oneOf(["email"])
      .optional()
      .describe("Rows without a Clerk id are taken over by the user whose verified email they have."),
    delete: remove.optional(),
    access: eitherOr(
      oneOf(["leave"]),
      section({
        own_row: section({
          editable: z
            .array(columnName, { error: 'write a list of columns, like ["nickname"]' })
            .optional()
            .describe("The columns that a user may change in the own row. They need not be mapped."),
        }).describe("A signed-in user reads the own row, and edits the columns of editable."),
      }),
      'write "leave", or { "own_row": { "editable": […] } }',
    )
      .optional()
      .describe(
        'Who reads and changes rows. "leave" (default for a table that exists) touches no policy and no grant. own_row (default for a table that the sync makes): a signed-in user reads the own row, and edits the columns of editable.',
      ),
  },
  wantedUsers,
).describe("The table of users. Without it the sync makes a plain public.users.");

/** A kind other than users: true for its own table, or an object where everything is optional. */
function kindOf<Columns extends z.ZodType>(columns: Columns, description: string) {
  return z
    .union(
      [
        z.boolean(),
        section({
          table: tableName.optional(),
          key: columnName.optional().describe("The column with Clerk's id: text and unique."),
          columns: columns.optional(),
          delete: remove.optional(),
          access: oneOf(["leave", "none", "members"])
            .optional()
            .describe("none (default): closed to users of the app. members: a member reads what it belongs to."),
        }),
      ],
      { error: ({ input }) => (isObject(input) ? undefined : 'write true, false, or { "table": … }') },
    )
    .optional()
    .describe(description);
}

/** The columns of a kind other than users; `more` are settings that only this kind has. */
function kindColumns<Source extends z.ZodType, Shape extends z.ZodRawShape>(kind: Kind, source: Source, more: Shape) {
  const shape = {
    from: source,
    default: defaultValue.optional(),
    write: write.optional(),
    allowed: allowed.optional(),
  };
  return columnsOf(columnOf(kind, source, { ...shape, ...more })).describe(
    "Each column that is written, and where its value comes from. Without it: the columns of the plain table.",
  );
}

const organizationSource = sourceOf("organizations", sourcesOf.organizations);
const membershipSource = sourceOf("memberships", sourcesOf.memberships);
const invitationSource = sourceOf("invitations", sourcesOf.invitations);
const roleSource = z
  .enum(sourcesOf.roles, { error: ({ input }) => adviseSource("roles", input) })
  .describe("What Clerk says of one of the roles.");

const as = columnName
  .optional()
  .describe("For user and organization: the column of that table whose value is written instead of Clerk's id.");

const secretReference = z
  .string({ error: 'write "env(NAME)" or "vault(NAME)"' })
  .regex(/^(?:env|vault)\([A-Za-z_]\w*\)$/, {
    error: 'write "env(NAME)" or "vault(NAME)": the secret itself does not belong in this file',
  });

const hookTopic = judgedText((text) => {
  if (topics.includes(text)) return null;
  const meant = suggestName(text, topics);
  return meant === null ? `write one of ${topics.join(", ")}` : `did you mean \`${meant}\`?`;
}, 'a topic in double quotes, like "user.created" or "user.*"');

const hookKinds = ["user", "organization", "membership", "role", "invitation"] as const;
const topics = hookKinds.flatMap((kind) =>
  ["created", "updated", "deleted", "restored", "*"].map((op) => `${kind}.${op}`),
);

const hook = section({
  name: judgedText(
    (text) => (/^[a-z][a-z0-9_-]{0,62}$/.test(text) ? null : "use small letters, digits, _ and -, at most 63"),
    "a name, like `welcome`",
  ).describe("The name of the hook in lists and messages."),
  on: z
    .array(hookTopic, { error: 'write a list of topics, like ["user.created"]' })
    .min(1, { error: "write at least one topic" })
    .describe("The changes that the hook gets: user.created, user.*, …"),
  url: judgedText(judgeUrl, "a URL, or a path of the project like `/functions/v1/welcome`")
    .optional()
    .describe("Where a signed request is sent: https, a path of the project, or env(NAME)."),
  secret: z
    .union([secretReference, z.array(secretReference).min(1, { error: "write at least one secret" })], {
      error: 'write "env(NAME)" or "vault(NAME)", or a list of them. The secret itself does not belong in this file',
    })
    .optional()
    .describe("What requests are signed with: env(NAME) or vault(NAME). A list while you change the secret."),
  function: functionName.optional().describe("A function of the database that takes one jsonb, as schema.name."),
  on_error: oneOf(["record", "abort"])
    .optional()
    .describe(
      "For a function that fails. record (default): the row stays and the call is tried again. abort: the job fails.",
    ),
  queue: judgedText(judgeName, "the name of a pgmq queue").optional().describe("A pgmq queue that gets the change."),
  skip: z
    .array(oneOf(["webhook", "ensure", "reconcile", "backfill"]), { error: 'write a list, like ["backfill"]' })
    .optional()
    .describe("Changes from these sources are left out."),
  from: oneOf(["now", "beginning"])
    .optional()
    .describe("Where a new hook begins: now (default), or with the oldest change that is kept."),
});

function judgeUrl(text: string): string | null {
  if (/^env\([A-Za-z_]\w*\)$/.test(text) || /^\/(?!\/)\S*$/.test(text)) return null;
  const url = URL.parse(text);
  if (url === null) return "write a URL with https://, a path that begins with /, or env(NAME)";
  if (url.username !== "" || url.password !== "")
    return "a URL with a password does not belong in this file: use env(NAME)";
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url.protocol === "https:" || (url.protocol === "http:" && isLocal)) return null;
  return "use https. http is for localhost only";
}

/** All that clerk-sync.config.json may say, before the rules that compare one setting with another. */
export const configurationSchema = section({
  $schema: z.string().optional().describe("The schema that editors read, from the installed package."),
  users: users.optional(),
  organizations: kindOf(
    kindColumns("organizations", organizationSource, {}),
    "The table of organizations; off when absent.",
  ),
  memberships: kindOf(
    kindColumns("memberships", membershipSource, { as }),
    "The table of memberships; off when absent. It needs organizations.",
  ),
  roles: kindOf(kindColumns("roles", roleSource, {}), "The table of the roles of organizations; off when absent."),
  invitations: kindOf(
    kindColumns("invitations", invitationSource, {}),
    "The table of invitations into organizations; off when absent.",
  ),
  changes: z.boolean().optional().describe("Keeps a log of changes also without hooks."),
  hooks: z
    .array(hook, { error: "write a list of hooks: [ { … } ]" })
    .optional()
    .describe("What is called for changes: a URL, a function of the database, or a pgmq queue."),
  helpers: section({
    schema: schemaName.optional().describe("The schema of the functions for policies (default: clerk)."),
  })
    .optional()
    .describe("The functions for policies, like clerk.user_id()."),
});

/** The file as an author may write it. */
export type ConfigurationFile = z.input<typeof configurationSchema>;
