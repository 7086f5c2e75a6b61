import type { Mutation } from "./mutations.ts";

const alertsSql = "supabase/schemas/18_alerts.sql";
const core = "supabase/functions/_shared/clerk-sync";
const alerts = "tests/integration/alerts/alerts.test.ts";
const delivery = "tests/integration/alerts/alert-delivery.test.ts";

/** An incident is told once when it opens and once when it is over, to each target, whatever fails. */
export const alertPromises: readonly Mutation[] = [
  {
    test: alerts,
    title: "one incident > is made of a reason that comes and goes, and is over when it stays away",
    edits: [{ file: alertsSql, find: "300) as quiet_seconds", replace: "0) as quiet_seconds" }],
  },
  {
    test: alerts,
    title: "one incident > is not made of a reason that is gone at the next look",
    edits: [{ file: alertsSql, find: "45) as hold_seconds", replace: "0) as hold_seconds" }],
  },
  {
    test: alerts,
    title: "one incident > is a silence that is suspected, then confirmed: its end says the worst of it",
    edits: [{ file: alertsSql, find: "then 'silence' else r.code end", replace: "then r.code else r.code end" }],
  },
  {
    test: alerts,
    title: "one incident > that two workers find at the same moment is told once",
    edits: [
      { file: alertsSql, find: "for update of o skip locked", replace: "" },
      { file: alertsSql, find: "and coalesce(n.lease_until <= p_now, true) --", replace: "--" },
      { file: alertsSql, find: "and coalesce(n.lease_until <= p_now, true)\n", replace: "\n" },
    ],
  },
  {
    test: delivery,
    title:
      "a target that fails > with 500 gets the notice again after half a minute, then a minute, until it accepts it: then no more",
    edits: [{ file: alertsSql, find: "case when r.outcome = 'sent' then p_now end", replace: "p_now" }],
  },
  {
    test: delivery,
    title:
      "a target that fails > with 500 gets the notice again after half a minute, then a minute, until it accepts it: then no more",
    edits: [
      { file: alertsSql, find: "where n.sent_at is null\n    and n.next_at", replace: "where n.next_at" },
      { file: alertsSql, find: "\n      and n.sent_at is null\n    returning", replace: "\n    returning" },
    ],
  },
  {
    test: delivery,
    title: "a target that fails > does not make another be told twice",
    edits: [
      {
        file: `${core}/alerts/send-alerts.ts`,
        find: "const p_results = (await Promise.all(told)).flat();",
        replace:
          'const p_results = (await Promise.all(told)).flat().map((result, _, all) => ({ ...result, outcome: all.some(({ outcome }) => outcome !== "sent") ? "retry" : "sent" }));',
      },
    ],
  },
  {
    test: delivery,
    title: "a target that fails > is told of the end only after it was told of the beginning",
    edits: [{ file: alertsSql, find: "n.kind <> 'closed'", replace: "true" }],
  },
  {
    test: delivery,
    title:
      "a worker that dies between sending and saying so > leaves its notices to others after two minutes, and can say nothing of them any more",
    edits: [{ file: alertsSql, find: "    and n.token = r.token\n", replace: "" }],
  },
];
