/** How often each side is measured, and who is told. */
export type Rounds = {
  rounds: number;
  say: (line: string) => void;
  /** The sides have done the like in this run: none needs to be warmed up. */
  areWarm?: boolean;
};

/**
 * Measures all sides round by round. Round 0 warms them up and does not count. Who begins changes, so that none always
 * runs after the same other one.
 */
export async function alternate<Side, Measured>(
  what: string,
  sides: readonly (readonly [name: string, side: Side])[],
  { rounds, say, areWarm = false }: Rounds,
  measure: (side: Side, round: number, name: string) => Promise<Measured>,
): Promise<Map<string, Measured[]>> {
  const measured = new Map<string, Measured[]>(sides.map(([name]) => [name, []]));
  for (let round = areWarm ? 1 : 0; round <= rounds; round++) {
    for (const [name, side] of round % 2 === 0 ? sides : sides.toReversed()) {
      const value = await measure(side, round, name);
      if (round > 0) measured.get(name)?.push(value);
    }
    say(`${what}: round ${round} of ${rounds}`);
  }
  return measured;
}
