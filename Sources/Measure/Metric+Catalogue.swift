/// Every metric there is, one constant each: a misspelt name does not compile.
extension Metric {
  package static let seconds = Metric("seconds", "s", .neither, .amount, "measured time, monotonic clock")
  package static let bytes = Metric("bytes", "B", .neither, .amount, "payload bytes moved")
  package static let records = Metric("records", "", .neither, .amount, "records moved")
  package static let mibPerSecond = Metric("mib_per_s", "MiB/s", .more, .rate, "payload bytes a second, 2^20")
  package static let mbPerSecond = Metric("mb_per_s", "MB/s", .more, .rate, "payload bytes a second, 10^6")
  package static let recordsPerSecond = Metric("records_per_s", "1/s", .more, .rate, "records a second")
  package static let producedRecordsPerSecond = Metric(
    "produced_records_per_s", "1/s", .more, .rate,
    "records acknowledged a second, where records_per_s are those consumed")
  package static let sustainableRecordsPerSecond = Metric(
    "sustainable_records_per_s", "1/s", .more, .rate, "highest rate that kept the latency objective, confirmed")
  package static let valuesPerSecond = Metric("values_per_s", "1/s", .more, .rate, "4-byte values a second")
  package static let operationsPerSecond = Metric(
    "operations_per_s", "1/s", .more, .rate, "blocks or accesses a second")
  package static let getsPerSecond = Metric("gets_per_s", "1/s", .more, .rate, "records got at random a second")
  package static let pagesPerAppend = Metric(
    "pages_per_append", "", .less, .cost, "4 KiB read and written for one record appended")
  package static let cpuUsPerAppend = Metric(
    "cpu_us_per_append", "µs", .less, .cost, "user and system CPU for one record appended, that of syncing included")
  package static let pagesPerGet = Metric("pages_per_get", "", .less, .cost, "4 KiB read for one record got at random")
  package static let writeAmplification = Metric(
    "write_amplification", "", .less, .cost, "bytes the device took for writing over bytes put")
  package static let hugePagePercent = Metric(
    "huge_page_percent", "%", .neither, .circumstance, "share of the array in huge pages, as granted")
  package static let hitRatio = Metric(
    "hit_ratio", "", .more, .quality, "share of the bytes read that the device did not have to give")
  package static let cachedMiB = Metric(
    "cached_mib", "MiB", .more, .quality, "bytes of the file in memory, wherever, counted once")
  package static let memoryUsedPercent = Metric(
    "memory_used_percent", "%", .neither, .circumstance,
    "memory of the process and of its file in the page cache, of all that both may have")
  package static let heldTwiceMiB = Metric(
    "held_twice_mib", "MiB", .less, .cost, "bytes of the file both in the process and in the page cache")
  package static let rewarmMs = Metric(
    "rewarm_ms", "ms", .less, .latency,
    "from an empty process after a restart to 95 % of the hit ratio before it; start of the program left out")
  package static let responseP50Ms = Metric(
    "response_p50_ms", "ms", .less, .latency, "median latency from the intended send time")
  package static let responseP99Ms = Metric(
    "response_p99_ms", "ms", .less, .latency, "99th percentile from the intended send time")
  package static let responseP999Ms = Metric(
    "response_p99_9_ms", "ms", .less, .latency, "99.9th percentile from the intended send time")
  package static let responseMaxMs = Metric(
    "response_max_ms", "ms", .less, .latency, "longest latency from the intended send time")
  package static let stalls = Metric(
    "stalls", "", .less, .cost, "intervals in which a record waited 50 ms or longer for its acknowledgement")
  package static let serviceP50Ms = Metric(
    "service_p50_ms", "ms", .less, .latency, "median latency from the actual send time")
  package static let serviceP99Ms = Metric(
    "service_p99_ms", "ms", .less, .latency, "99th percentile from the actual send time")
  package static let serviceP999Ms = Metric(
    "service_p99_9_ms", "ms", .less, .latency, "99.9th percentile from the actual send time")
  package static let endToEndP50Ms = Metric(
    "end_to_end_p50_ms", "ms", .less, .latency, "median time from the intended send time to the consumer")
  package static let endToEndP99Ms = Metric(
    "end_to_end_p99_ms", "ms", .less, .latency, "99th percentile from the intended send time to the consumer")
  package static let startMs = Metric(
    "start_ms", "ms", .less, .latency, "from starting the broker's process to its accepting connections, to 1 ms")
  package static let cpuSecondsPerGB = Metric(
    "cpu_s_per_gb", "s/GB", .less, .cost, "user and system CPU of the side under test per 10^9 bytes")
  package static let freshMiBPerSecond = Metric(
    "fresh_mib_per_s", "MiB/s", .more, .rate, "as mib_per_s, of the same steps to fresh topics")
  package static let freshCPUSecondsPerGB = Metric(
    "fresh_cpu_s_per_gb", "s/GB", .less, .cost, "as cpu_s_per_gb, of the same steps to fresh topics")
  package static let grownOverFreshCPU = Metric(
    "grown_over_fresh_cpu", "", .less, .cost,
    "CPU for a byte to the grown topic over that to a fresh one, geometric mean over the window's steps")
  package static let grownOverFreshRate = Metric(
    "grown_over_fresh_rate", "", .more, .quality,
    "bytes a second to the grown topic over those to a fresh one, geometric mean over the window's steps")
  package static let clientCPUSecondsPerGB = Metric(
    "client_cpu_s_per_gb", "s/GB", .less, .cost, "CPU of the load generator per 10^9 bytes")
  package static let cpuSecondsPerMillionRecords = Metric(
    "cpu_s_per_million_records", "s", .less, .cost, "user and system CPU of the broker per million records")
  package static let clientCPUSecondsPerMillionRecords = Metric(
    "client_cpu_s_per_million_records", "s", .less, .cost, "CPU of the load generator per million records")
  package static let machineBusyPercent = Metric(
    "machine_busy_percent", "%", .neither, .circumstance,
    "CPU time in use, of all cores' and by whomever, while measuring")
  package static let diskCeilingPercent = Metric(
    "disk_ceiling_percent", "%", .neither, .circumstance,
    "bytes a second that the device wrote or read, of what the probe before the campaign reached")
  package static let linkCeilingPercent = Metric(
    "link_ceiling_percent", "%", .neither, .circumstance,
    "bytes a second over loopback, of what the probe before the campaign reached")
  package static let mbPerSecondPerWorker = Metric(
    "mb_per_s_per_worker", "MB/s", .more, .rate,
    "payload bytes a second for each that can work at once: the least of partitions, connections and cores")
  package static let mbPerSecondPerReader = Metric(
    "mb_per_s_per_reader", "MB/s", .more, .rate,
    "payload bytes a second for each connection that has a partition: the least of partitions and connections")
  package static let lost = Metric(
    "lost", "", .less, .fault, "records that were acknowledged, or skipped by those behind them, and never came")
  package static let duplicated = Metric("duplicated", "", .less, .fault, "records that came again")
  package static let reordered = Metric(
    "reordered", "", .less, .fault, "records that came after a later one of their producer and partition")
  package static let offsetsNotRising = Metric(
    "offsets_not_rising", "", .less, .fault,
    "records whose offset was not above that of the one before in their partition")
  package static let misplacedKeys = Metric(
    "misplaced_keys", "", .less, .fault, "records in another partition than the one that their key's murmur2 names")
  package static let readTwice = Metric(
    "read_twice", "", .less, .fault, "records that members of a group read after another one of them had read them")
  package static let leftOut = Metric(
    "left_out", "", .less, .fault, "records that no member of a group read, between such as they read")
  package static let sharedPartitions = Metric(
    "shared_partitions", "", .less, .fault,
    "times that a member began to read a partition that another one of its group had not given up")
  package static let recordsPerSecondPerGroup = Metric(
    "records_per_s_per_group", "1/s", .more, .rate,
    "records a second of the slowest group, or consumer that reads everything")
  package static let restartUnreadMs = Metric(
    "restart_unread_ms", "ms", .less, .latency,
    "how long a partition was read by nobody when all members of its group were replaced, mean of all partitions")
  package static let joinUnreadMs = Metric(
    "join_unread_ms", "ms", .less, .latency,
    "how long a partition was read by nobody when a member joined its group, mean of all partitions")
  package static let leaveUnreadMs = Metric(
    "leave_unread_ms", "ms", .less, .latency,
    "how long a partition was read by nobody when a member left its group, mean of all partitions")
  package static let longestUnreadMs = Metric(
    "longest_unread_ms", "ms", .less, .latency,
    "the longest that a partition was read by nobody when members came or went")
  package static let interruptedPercent = Metric(
    "interrupted_percent", "%", .less, .cost,
    "partitions that were read by nobody for a while when a member came or went, of all")
  package static let rebalances = Metric(
    "rebalances", "", .less, .cost, "assignments that members of groups were given, the first ones included")
  package static let commits = Metric("commits", "", .neither, .amount, "offset commits that the coordinator took")
  package static let recordsPerBatch = Metric(
    "records_per_batch", "", .more, .quality, "records in a batch, mean of all batches")
  package static let partitionSkewPercent = Metric(
    "partition_skew_percent", "%", .less, .cost, "records of the fullest partition above the mean of all, of the mean")
  package static let transactionsCommitted = Metric(
    "transactions_committed", "", .neither, .amount, "transactions that were committed")
  package static let transactionP50Ms = Metric(
    "transaction_p50_ms", "ms", .less, .latency, "median time from the beginning of a transaction to its committed end")
  package static let transactionP99Ms = Metric(
    "transaction_p99_ms", "ms", .less, .latency, "99th percentile of that time")
  package static let outOfGlobalOrder = Metric(
    "out_of_global_order", "", .less, .fault,
    "records a consumer got after one that their producer had been given later, over all its partitions")
  package static let outOfGlobalOrderPercent = Metric(
    "out_of_global_order_percent", "%", .less, .fault, "those, of all records consumed")
  package static let brokerCPUSeconds = Metric(
    "broker_cpu_s", "s", .less, .cost, "user and system CPU of the broker while measuring")
  package static let clientCPUShare = Metric(
    "client_cpu_share", "", .neither, .circumstance, "load generator's busiest thread as a share of one core")
  package static let scheduleLagMaxMs = Metric(
    "schedule_lag_max_ms", "ms", .less, .circumstance, "furthest the generator fell behind its schedule")
  package static let scheduleLagP99Ms = Metric(
    "schedule_lag_p99_ms", "ms", .less, .circumstance,
    "99th percentile of how late the generator woke for records it was free to send")
  package static let compressionRatio = Metric(
    "compression_ratio", "", .more, .quality, "bytes before over bytes after compression")
  package static let compressMBPerSecond = Metric(
    "compress_mb_per_s", "MB/s", .more, .rate, "compression speed, input bytes")
  package static let decompressMBPerSecond = Metric(
    "decompress_mb_per_s", "MB/s", .more, .rate, "decompression speed, output bytes")
  package static let compressCPUSecondsPerGB = Metric(
    "compress_cpu_s_per_gb", "s/GB", .less, .cost, "CPU of compression per 10^9 input bytes")
  package static let decompressCPUSecondsPerGB = Metric(
    "decompress_cpu_s_per_gb", "s/GB", .less, .cost, "CPU of decompression per 10^9 output bytes")
  package static let payloadBytes = Metric("payload_bytes", "B", .neither, .amount, "bytes before compression")
  package static let storedBytes = Metric("stored_bytes", "B", .less, .cost, "bytes the broker's log grew by")
  package static let wireBytes = Metric("wire_bytes", "B", .less, .cost, "bytes sent to and received from the broker")
  package static let processWrittenBytes = Metric(
    "process_written_bytes", "B", .less, .cost, "write_bytes of /proc/PID/io of the side under test")
  package static let processReadBytes = Metric(
    "process_read_bytes", "B", .less, .cost, "read_bytes of /proc/PID/io of the side under test")
  package static let storageReadPercent = Metric(
    "storage_read_percent", "%", .less, .cost,
    "read_bytes of /proc/PID/io of the side under test, of 100 bytes consumed")
  package static let liveReadBytes = Metric(
    "live_read_bytes", "B", .less, .cost, "read_bytes of the live reader's own thread")
  package static let lagLeastRecords = Metric(
    "lag_least_records", "", .neither, .amount, "how near to a partition's end a consumer came that keeps behind it")
  package static let lagMostRecords = Metric(
    "lag_most_records", "", .neither, .amount, "how far behind a partition's end such a consumer was at most")
  package static let lagMaxRecords = Metric(
    "lag_max_records", "", .less, .cost,
    "acknowledged records that the consumers of the run had not received, at the end of an interval, at most")
  package static let besideMBPerSecond = Metric(
    "beside_mb_per_s", "MB/s", .more, .rate, "payload bytes a second of the load beside the measured one")
  package static let deviceReadBytes = Metric(
    "device_read_bytes", "B", .less, .cost, "/proc/diskstats of the data's device while measuring")
  package static let deviceWrittenBytes = Metric(
    "device_written_bytes", "B", .less, .cost, "/proc/diskstats of the data's device while measuring")
  package static let loopbackBytes = Metric(
    "loopback_bytes", "B", .neither, .amount, "/proc/net/dev of the interface lo while measuring")
  package static let linkBytes = Metric(
    "link_bytes", "B", .neither, .amount, "/proc/PID/net/dev of the broker's end of a link of its own, both ways")
  package static let linkPercent = Metric(
    "link_percent", "%", .neither, .circumstance,
    "bytes a second of the busier direction, headers included, as a share of the link's rate")
  package static let packetsPerRecord = Metric(
    "packets_per_record", "", .less, .cost,
    "packets to and from the broker for one record, as the buckets at both ends of a link of its own count them")
  package static let connectionsPerSecond = Metric(
    "connections_per_s", "1/s", .more, .rate, "connections made, logged in, answered once and closed a second")
  package static let connectP50Ms = Metric(
    "connect_p50_ms", "ms", .less, .latency, "median time from connecting to the first answer after the login")
  package static let connectP99Ms = Metric("connect_p99_ms", "ms", .less, .latency, "99th percentile of that time")
  package static let connectMaxMs = Metric("connect_max_ms", "ms", .less, .latency, "longest such time")
  package static let brokerCPUMsPerConnection = Metric(
    "broker_cpu_ms_per_connection", "ms", .less, .cost, "user and system CPU of the broker for one connection")
  package static let clientCPUMsPerConnection = Metric(
    "client_cpu_ms_per_connection", "ms", .less, .cost, "CPU of the load generator for one connection")
  package static let requestsPerSecond = Metric("requests_per_s", "1/s", .more, .rate, "requests a second")
  package static let systemCallsPerRecord = Metric(
    "system_calls_per_record", "", .less, .cost,
    "system calls that read or write, of the side under test, for one record (waits are not counted)")
  package static let stallMs = Metric(
    "stall_ms", "ms", .neither, .circumstance, "how long the broker was stopped on purpose")
  package static let stallRecoveredPercent = Metric(
    "stall_recovered_percent", "%", .more, .quality,
    "p99 response time as a share of what the stall put there must make of it")
  package static let serviceOfResponsePercent = Metric(
    "service_of_response_percent", "%", .neither, .quality, "p99 service time as a share of the p99 response time")
  package static let rateErrorPercent = Metric(
    "rate_error_percent", "%", .less, .fault, "measured against known rate of a server, without its sign")
  package static let comparisons = Metric("comparisons", "", .neither, .amount, "A/A comparisons made")
  package static let falsePositives = Metric(
    "false_positives", "", .less, .fault, "A/A comparisons that were called a difference")
  package static let falsePositivePercent = Metric(
    "false_positive_percent", "%", .less, .fault, "share of the A/A comparisons that were called a difference")
  package static let falsePositiveChance = Metric(
    "false_positive_chance", "", .more, .quality, "probability of at least so many false positives, 5 % each")
  package static let dirtyMaxMiB = Metric(
    "dirty_max_mib", "MiB", .less, .cost, "most dirty and write-back memory seen while measuring")
  package static let rssMiB = Metric(
    "rss_mib", "MiB", .less, .cost, "resident memory of the side under test at the end")
  package static let openDescriptors = Metric(
    "open_descriptors", "", .less, .cost, "open files and sockets of the broker, in the window's median")
  package static let threads = Metric("threads", "", .less, .cost, "threads of the broker, in the window's median")
  package static let logMiB = Metric(
    "log_mib", "MiB", .less, .cost, "segments of the topic on disk, in the window's median")
  package static let stealPercent = Metric(
    "steal_percent", "%", .neither, .circumstance, "CPU time the hypervisor took while measuring")
  package static let otherCPUPercent = Metric(
    "other_cpu_percent", "%", .neither, .circumstance,
    "CPU time of everything but the programs of the run while measuring, kernel threads included")
  package static let residentPercent = Metric(
    "resident_percent", "%", .neither, .circumstance, "share of the data's pages in the page cache before measuring")
  package static let systemCalls = Metric(
    "system_calls", "", .less, .cost,
    "system calls that moved the data: counted by the mechanism, of the broker by /proc/PID/io")
  package static let contextSwitches = Metric(
    "context_switches", "", .less, .cost, "voluntary and involuntary, of the side under test")

  /// All of them, in the order in which `rows.csv` may have them.
  package static let catalogue: [Metric] = ofBrokers + ofClusters

  private static let ofBrokers: [Metric] = [
    seconds, bytes, records, mibPerSecond, mbPerSecond, recordsPerSecond, producedRecordsPerSecond,
    sustainableRecordsPerSecond,
    valuesPerSecond, operationsPerSecond, getsPerSecond, pagesPerAppend, cpuUsPerAppend, pagesPerGet,
    writeAmplification,
    hugePagePercent, hitRatio, cachedMiB, memoryUsedPercent, heldTwiceMiB, rewarmMs, responseP50Ms, responseP99Ms,
    responseP999Ms, responseMaxMs, stalls,
    serviceP50Ms, serviceP99Ms, serviceP999Ms, endToEndP50Ms, endToEndP99Ms, startMs, cpuSecondsPerGB,
    freshMiBPerSecond, freshCPUSecondsPerGB, grownOverFreshCPU, grownOverFreshRate, clientCPUSecondsPerGB,
    cpuSecondsPerMillionRecords, clientCPUSecondsPerMillionRecords, machineBusyPercent,
    diskCeilingPercent, linkCeilingPercent, mbPerSecondPerWorker, mbPerSecondPerReader, recordsPerSecondPerGroup,
    lost, duplicated, reordered, outOfGlobalOrder, outOfGlobalOrderPercent, offsetsNotRising, misplacedKeys, readTwice,
    leftOut, sharedPartitions, restartUnreadMs, joinUnreadMs, leaveUnreadMs, longestUnreadMs, interruptedPercent,
    rebalances, commits, recordsPerBatch, partitionSkewPercent, transactionsCommitted, transactionP50Ms,
    transactionP99Ms, brokerCPUSeconds, clientCPUShare, scheduleLagMaxMs, scheduleLagP99Ms, compressionRatio,
    compressMBPerSecond, decompressMBPerSecond, compressCPUSecondsPerGB, decompressCPUSecondsPerGB, payloadBytes,
    storedBytes, wireBytes, processWrittenBytes, processReadBytes, storageReadPercent, liveReadBytes, lagLeastRecords,
    lagMostRecords, lagMaxRecords, besideMBPerSecond, deviceReadBytes, deviceWrittenBytes, loopbackBytes, linkBytes,
    linkPercent,
    packetsPerRecord, connectionsPerSecond, connectP50Ms, connectP99Ms, connectMaxMs, brokerCPUMsPerConnection,
    clientCPUMsPerConnection, requestsPerSecond, systemCallsPerRecord, stallMs, stallRecoveredPercent,
    serviceOfResponsePercent, rateErrorPercent, comparisons, falsePositives, falsePositivePercent, falsePositiveChance,
    dirtyMaxMiB, rssMiB, openDescriptors, threads, logMiB, stealPercent,
    otherCPUPercent, residentPercent, systemCalls, contextSwitches,
  ]

  private static let byName = Dictionary(uniqueKeysWithValues: catalogue.map { ($0.name, $0) })

  package static func named(_ name: String) -> Metric? { byName[name] }
}
