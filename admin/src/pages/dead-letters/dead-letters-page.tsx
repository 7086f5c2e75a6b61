import { PageHeader } from "../../components/page-header.tsx";

export function DeadLettersPage() {
  return <PageHeader name="DeadLetters" title="DeadLetters" />;
}
