/// A number a row may carry. The name ends in its unit; the catalogue is the only place that gives it a meaning.
package struct Metric: Sendable, Equatable {
  package var name: String
  package var unit: String
  package var meaning: String

  package var column: Column { Column(name: name, content: .number, unit: unit, meaning: meaning) }

  package static func named(_ name: String) -> Metric? { catalogue.first { $0.name == name } }

  package static let catalogue: [Metric] = [
    Metric(name: "seconds", unit: "s", meaning: "measured time, monotonic clock"),
    Metric(name: "bytes", unit: "B", meaning: "payload bytes moved"),
    Metric(name: "records", unit: "", meaning: "records moved"),
    Metric(name: "mib_per_s", unit: "MiB/s", meaning: "payload bytes a second, 2^20"),
    Metric(name: "mb_per_s", unit: "MB/s", meaning: "payload bytes a second, 10^6"),
    Metric(name: "records_per_s", unit: "1/s", meaning: "records a second"),
    Metric(
      name: "sustainable_records_per_s", unit: "1/s", meaning: "highest rate that kept the latency objective, confirmed"
    ),
    Metric(name: "values_per_s", unit: "1/s", meaning: "4-byte values a second"),
    Metric(name: "operations_per_s", unit: "1/s", meaning: "blocks or accesses a second"),
    Metric(name: "gets_per_s", unit: "1/s", meaning: "records got at random a second"),
    Metric(name: "pages_per_append", unit: "", meaning: "4 KiB read and written for one record appended"),
    Metric(name: "pages_per_get", unit: "", meaning: "4 KiB read for one record got at random"),
    Metric(name: "write_amplification", unit: "", meaning: "bytes the device took for writing over bytes put"),
    Metric(name: "huge_page_percent", unit: "%", meaning: "share of the array in huge pages, as granted"),
    Metric(name: "hit_ratio", unit: "", meaning: "share of the bytes read that the device did not have to give"),
    Metric(name: "cached_mib", unit: "MiB", meaning: "bytes of the file in memory, wherever, counted once"),
    Metric(name: "held_twice_mib", unit: "MiB", meaning: "bytes of the file both in the process and in the page cache"),
    Metric(
      name: "rewarm_ms", unit: "ms",
      meaning: "from an empty process after a restart to 95 % of the hit ratio before it; start of the program left out"
    ),
    Metric(name: "response_p50_ms", unit: "ms", meaning: "median latency from the intended send time"),
    Metric(name: "response_p99_ms", unit: "ms", meaning: "99th percentile from the intended send time"),
    Metric(name: "response_p99_9_ms", unit: "ms", meaning: "99.9th percentile from the intended send time"),
    Metric(name: "service_p50_ms", unit: "ms", meaning: "median latency from the actual send time"),
    Metric(name: "service_p99_ms", unit: "ms", meaning: "99th percentile from the actual send time"),
    Metric(name: "service_p99_9_ms", unit: "ms", meaning: "99.9th percentile from the actual send time"),
    Metric(
      name: "end_to_end_p50_ms", unit: "ms", meaning: "median time from the intended send time to the consumer"),
    Metric(
      name: "end_to_end_p99_ms", unit: "ms", meaning: "99th percentile from the intended send time to the consumer"),
    Metric(
      name: "start_ms", unit: "ms", meaning: "from starting the broker's process to its accepting connections, to 1 ms"),
    Metric(name: "cpu_s_per_gb", unit: "s/GB", meaning: "user and system CPU of the side under test per 10^9 bytes"),
    Metric(name: "client_cpu_s_per_gb", unit: "s/GB", meaning: "CPU of the load generator per 10^9 bytes"),
    Metric(
      name: "cpu_s_per_million_records", unit: "s", meaning: "user and system CPU of the broker per million records"),
    Metric(
      name: "client_cpu_s_per_million_records", unit: "s", meaning: "CPU of the load generator per million records"),
    Metric(
      name: "machine_busy_percent", unit: "%",
      meaning: "CPU time in use, of all cores' and by whomever, while measuring"),
    Metric(
      name: "disk_ceiling_percent", unit: "%",
      meaning: "bytes a second that the device wrote or read, of what the probe before the campaign reached"),
    Metric(
      name: "link_ceiling_percent", unit: "%",
      meaning: "bytes a second over loopback, of what the probe before the campaign reached"),
    Metric(
      name: "mb_per_s_per_worker", unit: "MB/s",
      meaning: "payload bytes a second for each that can work at once: the least of partitions, connections and cores"),
    Metric(name: "reordered", unit: "", meaning: "records that came after a later one of their producer and partition"),
    Metric(
      name: "out_of_global_order", unit: "",
      meaning: "records a consumer got after one that their producer had been given later, over all its partitions"),
    Metric(name: "out_of_global_order_percent", unit: "%", meaning: "those, of all records consumed"),
    Metric(name: "broker_cpu_s", unit: "s", meaning: "user and system CPU of the broker while measuring"),
    Metric(name: "client_cpu_share", unit: "", meaning: "load generator's busiest thread as a share of one core"),
    Metric(name: "schedule_lag_max_ms", unit: "ms", meaning: "furthest the generator fell behind its schedule"),
    Metric(
      name: "schedule_lag_p99_ms", unit: "ms",
      meaning: "99th percentile of how late the generator woke for records it was free to send"),
    Metric(name: "compression_ratio", unit: "", meaning: "bytes before over bytes after compression"),
    Metric(name: "compress_mb_per_s", unit: "MB/s", meaning: "compression speed, input bytes"),
    Metric(name: "decompress_mb_per_s", unit: "MB/s", meaning: "decompression speed, output bytes"),
    Metric(name: "compress_cpu_s_per_gb", unit: "s/GB", meaning: "CPU of compression per 10^9 input bytes"),
    Metric(name: "decompress_cpu_s_per_gb", unit: "s/GB", meaning: "CPU of decompression per 10^9 output bytes"),
    Metric(name: "payload_bytes", unit: "B", meaning: "bytes before compression"),
    Metric(name: "stored_bytes", unit: "B", meaning: "bytes the broker's log grew by"),
    Metric(name: "wire_bytes", unit: "B", meaning: "bytes sent to and received from the broker"),
    Metric(name: "process_written_bytes", unit: "B", meaning: "write_bytes of /proc/PID/io of the side under test"),
    Metric(name: "process_read_bytes", unit: "B", meaning: "read_bytes of /proc/PID/io of the side under test"),
    Metric(
      name: "storage_read_percent", unit: "%",
      meaning: "read_bytes of /proc/PID/io of the side under test, of 100 bytes consumed"),
    Metric(name: "live_read_bytes", unit: "B", meaning: "read_bytes of the live reader's own thread"),
    Metric(
      name: "lag_least_records", unit: "", meaning: "how near to a partition's end a consumer came that keeps behind it"
    ),
    Metric(name: "lag_most_records", unit: "", meaning: "how far behind a partition's end such a consumer was at most"),
    Metric(
      name: "beside_mb_per_s", unit: "MB/s", meaning: "payload bytes a second of the load beside the measured one"),
    Metric(name: "device_read_bytes", unit: "B", meaning: "/proc/diskstats of the data's device while measuring"),
    Metric(name: "device_written_bytes", unit: "B", meaning: "/proc/diskstats of the data's device while measuring"),
    Metric(name: "loopback_bytes", unit: "B", meaning: "/proc/net/dev of the interface lo while measuring"),
    Metric(
      name: "link_bytes", unit: "B", meaning: "/proc/PID/net/dev of the broker's end of a link of its own, both ways"),
    Metric(
      name: "link_percent", unit: "%",
      meaning: "bytes a second of the busier direction, headers included, as a share of the link's rate"),
    Metric(
      name: "packets_per_record", unit: "",
      meaning:
        "packets to and from the broker for one record, as the buckets at both ends of a link of its own count them"),
    Metric(name: "requests_per_s", unit: "1/s", meaning: "requests a second"),
    Metric(
      name: "system_calls_per_record", unit: "",
      meaning: "system calls that read or write, of the side under test, for one record (waits are not counted)"),
    Metric(name: "stall_ms", unit: "ms", meaning: "how long the broker was stopped on purpose"),
    Metric(
      name: "stall_recovered_percent", unit: "%",
      meaning: "p99 response time as a share of what the stall put there must make of it"),
    Metric(
      name: "service_of_response_percent", unit: "%", meaning: "p99 service time as a share of the p99 response time"),
    Metric(name: "rate_error_percent", unit: "%", meaning: "measured against known rate of a server, without its sign"),
    Metric(name: "comparisons", unit: "", meaning: "A/A comparisons made"),
    Metric(name: "false_positives", unit: "", meaning: "A/A comparisons that were called a difference"),
    Metric(name: "dirty_max_mib", unit: "MiB", meaning: "most dirty and write-back memory seen while measuring"),
    Metric(name: "rss_mib", unit: "MiB", meaning: "resident memory of the side under test at the end"),
    Metric(name: "steal_percent", unit: "%", meaning: "CPU time the hypervisor took while measuring"),
    Metric(
      name: "other_cpu_percent", unit: "%",
      meaning: "CPU time of everything but the programs of the run while measuring, kernel threads included"),
    Metric(
      name: "resident_percent", unit: "%", meaning: "share of the data's pages in the page cache before measuring"),
    Metric(
      name: "system_calls", unit: "",
      meaning: "system calls that moved the data: counted by the mechanism, of the broker by /proc/PID/io"),
    Metric(name: "context_switches", unit: "", meaning: "voluntary and involuntary, of the side under test"),
  ]
}
