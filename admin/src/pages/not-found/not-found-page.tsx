import { Anchor } from "@mantine/core";
import { Link } from "react-router";
import { EmptyState } from "../../components/empty-state.tsx";
import { PageHeader } from "../../components/page-header.tsx";

export function NotFoundPage() {
  return (
    <>
      <PageHeader name="Not found" title="Not found" />
      <EmptyState title="There is no page at this address">
        Choose one from the navigation, or go to the{" "}
        <Anchor component={Link} to="/" underline="always">
          overview
        </Anchor>
        .
      </EmptyState>
    </>
  );
}
