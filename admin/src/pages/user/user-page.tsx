import { PageHeader } from "../../components/page-header.tsx";

export function UserPage() {
  return <PageHeader name="User" title="User" />;
}
