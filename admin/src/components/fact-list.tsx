import { SimpleGrid, Text } from "@mantine/core";
import type { ReactNode } from "react";

type Props = {
  facts: readonly (readonly [string, ReactNode])[] /** Where there is room; long ids want fewer. */;
  columns?: number;
};

/** Names and values, in as many columns as there is room for. */
export function FactList({ facts, columns = 4 }: Props) {
  return (
    <SimpleGrid component="dl" cols={{ base: 1, xs: 2, md: columns }} spacing="sm" m={0}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <Text component="dt" size="xs" c="dimmed">
            {name}
          </Text>
          <Text component="dd" size="sm" m={0} className="numbers" style={{ overflowWrap: "anywhere" }}>
            {value}
          </Text>
        </div>
      ))}
    </SimpleGrid>
  );
}
