import { monitorEventLoopDelay } from "node:perf_hooks";
import type { MetricFamily } from "#core/metrics/format-metrics.ts";

/**
 * Makes the metrics of this process, under the names that Prometheus' client libraries use for them. The lag of the
 * event loop is the longest since the last scrape.
 */
export function createProcessMetrics(): () => MetricFamily[] {
  const lag = monitorEventLoopDelay({ resolution: 20 });
  lag.enable();
  return () => {
    const longest = lag.max / 1e9;
    lag.reset();
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    return [
      toFamily("process_cpu_seconds_total", "counter", "CPU time used.", (user + system) / 1e6),
      toFamily("process_resident_memory_bytes", "gauge", "Memory in use.", rss),
      toFamily("process_start_time_seconds", "gauge", "Start, in unix time.", Date.now() / 1000 - process.uptime()),
      toFamily("nodejs_heap_size_used_bytes", "gauge", "Memory in use by JavaScript.", heapUsed),
      toFamily(
        "nodejs_eventloop_lag_seconds",
        "gauge",
        "Longest wait of the event loop since the last scrape.",
        longest,
      ),
    ];
  };
}

function toFamily(name: string, type: "counter" | "gauge", help: string, value: number): MetricFamily {
  return { name, type, help, samples: [{ labels: {}, value }] };
}
