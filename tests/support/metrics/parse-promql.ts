import { parser } from "@prometheus-io/lezer-promql";

export type Matcher = { label: string; operator: string; value: string };
export type Selector = { metric: string; matchers: Matcher[] };
export type Expression = {
  selectors: Selector[];
  /** Labels that are grouped by, or left out. */
  groupingLabels: string[];
  numbers: number[];
};

/** Reads an expression by Prometheus' own grammar; throws where it is not one. Grafana's variables become what they may be. */
export function parsePromql(source: string): Expression {
  const text = source.replaceAll("$__rate_interval", "5m").replaceAll("$job", "clerk-sync");
  const found: Expression = { selectors: [], groupingLabels: [], numbers: [] };
  const matcher: Partial<Matcher> = {};
  parser.parse(text).iterate({
    enter: (node) => {
      const part = text.slice(node.from, node.to);
      if (node.type.isError) throw new Error(`not PromQL at ${node.from}: ${text}`);
      if (node.name === "NumberDurationLiteral") found.numbers.push(Number(part));
      if (node.name === "Identifier") found.selectors.push({ metric: part, matchers: [] });
      if (node.name === "MatchOp") matcher.operator = part;
      if (node.name === "LabelName" && node.node.parent?.name === "GroupingLabels") found.groupingLabels.push(part);
      else if (node.name === "LabelName") matcher.label = part;
      if (node.name === "StringLiteral") found.selectors.at(-1)?.matchers.push(toMatcher(matcher, JSON.parse(part)));
    },
  });
  return found;
}

function toMatcher({ label = "", operator = "" }: Partial<Matcher>, value: string): Matcher {
  return { label, operator, value };
}
