import { PageHeader } from "../../components/page-header.tsx";

export function ReconcilePage() {
  return <PageHeader name="Reconcile" title="Reconcile" />;
}
