import { Button, Center, Text } from "@mantine/core";

type Props = {
  /** Of usePages. */
  of: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => Promise<unknown> };
  shown: number;
};

/** Reads the next page of a list, or says that this was all. */
export function LoadMore({ of: { hasNextPage, isFetchingNextPage, fetchNextPage }, shown }: Props) {
  return (
    <Center py="sm">
      {hasNextPage ? (
        <Button variant="default" size="xs" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          Load more
        </Button>
      ) : (
        <Text size="xs" c="dimmed">
          {shown === 1 ? "This is all: one entry." : `This is all: ${shown} entries.`}
        </Text>
      )}
    </Center>
  );
}
