import { PageHeader } from "../../components/page-header.tsx";

export function JobPage() {
  return <PageHeader name="Job" title="Job" />;
}
