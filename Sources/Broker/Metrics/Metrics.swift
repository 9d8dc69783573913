/// Every metric of a broker. Names are those under which the usual configuration of Prometheus' JMX exporter shows Kafka's, where Kafka has
/// the metric, and those of kafka_exporter for the offsets of groups; Millrace's own begin with `millrace_`.
package enum Metrics {
  static let requests = RequestMetrics(), topics = TopicMetrics(), logs = LogMetrics()
  static let replicas = ReplicaMetrics(), controller = ControllerMetrics(), groups = GroupMetrics()
  static let server = ServerMetrics(), process = ProcessMetrics()

  /// By subject, in the order of docs/metrics.md and of a scrape.
  package static let sections: [(title: String, families: [MetricFamily])] = [
    ("Requests", requests.rows), ("Topics", topics.rows), ("Logs and the disk", logs.rows),
    ("Replicas", replicas.rows), ("Controller", controller.rows), ("Groups", groups.rows),
    ("Connections and event loops", server.rows), ("Process", process.rows),
  ]
}

/// Each request, by the name of its API. Times are in milliseconds, as Kafka's are.
struct RequestMetrics: MetricTable {
  let requests = MetricFamily(
    "kafka_network_requestmetrics_requests_total", .counter, ["request"],
    "Requests whose response was sent, or that wanted none.")
  let requestBytes = MetricFamily(
    "kafka_network_requestmetrics_requestbytes", .summary, ["request"],
    "Bytes of the requests, with their length in front.")
  let responseBytes = MetricFamily(
    "millrace_network_requestmetrics_responsebytes", .summary, ["request"],
    "Bytes of the responses, with their length in front.")
  let total = MetricFamily(
    "kafka_network_requestmetrics_totaltimems", .histogram, ["request"],
    "Milliseconds from the arrival of a request's last byte until its response was given to the socket.")
  let queue = MetricFamily(
    "kafka_network_requestmetrics_requestqueuetimems", .summary, ["request"],
    "Milliseconds until a request that had arrived was begun: others of its connection or event loop came first.")
  let local = MetricFamily(
    "kafka_network_requestmetrics_localtimems", .summary, ["request"],
    "Milliseconds on the event loop. Requests that were served together have the time of all of them each.")
  let remote = MetricFamily(
    "kafka_network_requestmetrics_remotetimems", .summary, ["request"],
    "Milliseconds in which a request waited for records, other replicas, the disk, the controller or members of its group."
  )
  let send = MetricFamily(
    "kafka_network_requestmetrics_responsesendtimems", .summary, ["request"],
    "Milliseconds from the end of a request until its response was given to the socket, behind those of earlier requests."
  )
  let throttle = MetricFamily(
    "kafka_network_requestmetrics_throttletimems", .summary, ["request"],
    "Milliseconds for which the connections of these requests were muted, because their clients had exceeded quotas.")
  let errors = MetricFamily(
    "kafka_network_requestmetrics_errors_total", .counter, ["request", "error"],
    "Error codes in responses, each time that one was there: a response to a request for many partitions may have many. NONE, which Kafka counts, too, is left out."
  )
}

/// Traffic of the partitions that this broker has, by topic; of a partition that it had, too, until the topic is deleted.
struct TopicMetrics: MetricTable {
  let bytesIn = MetricFamily(
    "kafka_server_brokertopicmetrics_bytesin_total", .counter, ["topic"],
    "Bytes of batches appended for producers and coordinators.")
  let messagesIn = MetricFamily(
    "kafka_server_brokertopicmetrics_messagesin_total", .counter, ["topic"],
    "Records appended for producers and coordinators.")
  let bytesOut = MetricFamily(
    "kafka_server_brokertopicmetrics_bytesout_total", .counter, ["topic"], "Bytes of batches read for consumers.")
  let replicationBytesIn = MetricFamily(
    "kafka_server_brokertopicmetrics_replicationbytesin_total", .counter, ["topic"],
    "Bytes of batches that this broker has fetched from leaders and appended.")
  let replicationBytesOut = MetricFamily(
    "kafka_server_brokertopicmetrics_replicationbytesout_total", .counter, ["topic"],
    "Bytes of batches read for followers.")
}

/// The logs of this broker's replicas, and what the disk has done for them.
struct LogMetrics: MetricTable {
  let size = MetricFamily("kafka_log_log_size", .gauge, ["topic", "partition"], "Bytes of the log's segments.")
  let start = MetricFamily("kafka_log_log_logstartoffset", .gauge, ["topic", "partition"], "The first offset.")
  let end = MetricFamily(
    "kafka_log_log_logendoffset", .gauge, ["topic", "partition"], "The offset of the next record.")
  let offlineDirectories = MetricFamily(
    "kafka_log_logmanager_offlinelogdirectorycount", .gauge, "Log directories that cannot be used.")
  let flushes = MetricFamily(
    "kafka_log_logflushstats_logflushrateandtimems", .summary,
    "Flushes of logs that acknowledgements or flush.ms asked for, and the milliseconds that they took.")
  let dirtyPercent = MetricFamily(
    "kafka_log_logcleanermanager_max_dirty_percent", .gauge,
    "The part of the dirtiest compacted log, in percent of its bytes that may be cleaned, that the log cleaner has not cleaned, when it last looked for a log to clean."
  )
  let uncleanable = MetricFamily(
    "kafka_log_logcleanermanager_uncleanable_partitions_count", .gauge, ["logDirectory"],
    "Logs that cannot be compacted, and are left as they are until the next start.")
  let cleanTime = MetricFamily(
    "kafka_log_logcleaner_max_clean_time_secs", .gauge,
    "Seconds that the longest of the last cleanings took, one for each of log.cleaner.threads, pauses for the rate included."
  )
  let recopy = MetricFamily(
    "kafka_log_logcleaner_cleaner_recopy_percent", .gauge,
    "Bytes that the last cleanings, one for each of log.cleaner.threads, kept of those that they read to copy, in percent."
  )
  let coldReads = MetricFamily(
    "millrace_pagecache_misses_total", .counter, ["loop"],
    "Pieces of segments that were to be sent and not in the page cache: they were read from the disk first.")
  let coldBytes = MetricFamily(
    "millrace_pagecache_miss_bytes_total", .counter, ["loop"], "Bytes of these pieces.")
}

/// This broker's replicas.
struct ReplicaMetrics: MetricTable {
  let leaders = MetricFamily("kafka_server_replicamanager_leadercount", .gauge, "Partitions that this broker leads.")
  let partitions = MetricFamily("kafka_server_replicamanager_partitioncount", .gauge, "Replicas on this broker.")
  let underReplicated = MetricFamily(
    "kafka_server_replicamanager_underreplicatedpartitions", .gauge,
    "Partitions that this broker leads and of which a replica is not in sync.")
  let underMin = MetricFamily(
    "kafka_server_replicamanager_underminisrpartitioncount", .gauge,
    "Partitions that this broker leads with fewer replicas in sync than min.insync.replicas: acks=all is refused.")
  let atMin = MetricFamily(
    "kafka_server_replicamanager_atminisrpartitioncount", .gauge,
    "Partitions that this broker leads with just min.insync.replicas in sync.")
  let offline = MetricFamily(
    "kafka_server_replicamanager_offlinereplicacount", .gauge, "Replicas on this broker whose log cannot be used.")
  let shrinks = MetricFamily(
    "kafka_server_replicamanager_isrshrinks_total", .counter,
    "Changes of in-sync replicas, asked for by this broker, that took replicas out.")
  let expands = MetricFamily(
    "kafka_server_replicamanager_isrexpands_total", .counter,
    "Changes of in-sync replicas, asked for by this broker, that added replicas.")
  let failedUpdates = MetricFamily(
    "kafka_server_replicamanager_failedisrupdates_total", .counter,
    "Changes of in-sync replicas that the controller refused.")
  let underReplicatedPartition = MetricFamily(
    "kafka_cluster_partition_underreplicated", .gauge, ["topic", "partition"],
    "1 for each partition that this broker leads and of which a replica is not in sync. The others have no line.")
}

/// The cluster, as the controller sees it. A broker that is not the controller says 0, as in Kafka: sum over the brokers.
struct ControllerMetrics: MetricTable {
  let active = MetricFamily(
    "kafka_controller_kafkacontroller_activecontrollercount", .gauge,
    "1 on the controller. The sum over the brokers should be 1.")
  let offline = MetricFamily(
    "kafka_controller_kafkacontroller_offlinepartitionscount", .gauge, "Partitions without a leader.")
  let imbalance = MetricFamily(
    "kafka_controller_kafkacontroller_preferredreplicaimbalancecount", .gauge,
    "Partitions that are led by another than their preferred replica.")
  let topics = MetricFamily("kafka_controller_kafkacontroller_globaltopiccount", .gauge, "Topics.")
  let partitions = MetricFamily("kafka_controller_kafkacontroller_globalpartitioncount", .gauge, "Partitions.")
}

/// Groups that this broker coordinates.
struct GroupMetrics: MetricTable {
  let groups = MetricFamily(
    "kafka_coordinator_group_groupmetadatamanager_numgroups", .gauge, "Groups that this broker coordinates.")
  let states = MetricFamily(
    "millrace_coordinator_group_states", .gauge, ["state"], "Groups that this broker coordinates, by state.")
  let offsets = MetricFamily(
    "kafka_coordinator_group_groupmetadatamanager_numoffsets", .gauge, "Committed offsets of these groups.")
  let committed = MetricFamily(
    "kafka_consumergroup_current_offset", .gauge, ["consumergroup", "topic", "partition"],
    "The committed offset of a group.")
  let lag = MetricFamily(
    "kafka_consumergroup_lag", .gauge, ["consumergroup", "topic", "partition"],
    "Records between the committed offset and the end of the log that consumers may read. Only where this broker has a replica of the partition: elsewhere kafka_log_log_logendoffset of its leader, less the committed offset."
  )
  let leftOut = MetricFamily(
    "millrace_metrics_group_offsets_left_out", .gauge,
    "Committed offsets that the two metrics above leave out of this scrape, because they are too many.")
}

/// Connections, waiting requests, and the event loops.
struct ServerMetrics: MetricTable {
  let connections = MetricFamily(
    "kafka_server_socket_server_metrics_connection_count", .gauge, "Open connections of clients and brokers.")
  let refused = MetricFamily(
    "millrace_connections_refused_total", .counter, ["reason"],
    "Connections that were closed when they were accepted: limit (max.connections, max.connections.per.ip), rate (the address's connection_creation_rate), descriptors (too few are left)."
  )
  let unauthenticated = MetricFamily(
    "millrace_connections_unauthenticated", .gauge, ["loop"],
    "Connections of secured listeners whose clients are not known yet.")
  let displaced = MetricFamily(
    "millrace_connections_unauthenticated_displaced_total", .counter, ["loop"],
    "Such connections that were closed to make room for others.")
  let handshakes = MetricFamily(
    "millrace_handshakes_waiting", .gauge, ["loop"], "TLS handshakes that could go on and wait for their turn.")
  let delayed = MetricFamily(
    "kafka_server_delayedoperationpurgatory_numdelayedoperations", .gauge, ["delayedOperation"],
    "Requests that wait, by kind; fetches alone are counted.")
  let purgatory = MetricFamily(
    "kafka_server_delayedoperationpurgatory_purgatorysize", .gauge, ["delayedOperation"],
    "Places of waiting requests in partitions: a request that waits for three partitions has three.")
  let turns = MetricFamily(
    "millrace_eventloop_turns_total", .counter, ["loop"],
    "Time slices in which connections of an event loop had requests served.")
  let busy = MetricFamily(
    "millrace_eventloop_busy_seconds_total", .counter, ["loop"], "Seconds that an event loop was in these time slices.")
  let delay = MetricFamily(
    "millrace_eventloop_delay_seconds", .gauge, ["loop"],
    "Seconds that an event loop took to begin the task by which this scrape asked it for its figures.")
  let requestLog = MetricFamily(
    "millrace_request_log_dropped_total", .counter,
    "Lines of the request log that were dropped because its reader was too slow.")
}

/// The process, under the names that Prometheus' client libraries have for it.
struct ProcessMetrics: MetricTable {
  let cpu = MetricFamily("process_cpu_seconds_total", .counter, "Seconds of processor time, user and system.")
  let threadCPU = MetricFamily(
    "millrace_thread_cpu_seconds_total", .counter, ["thread"], "Seconds of processor time of the threads, by name.")
  let resident = MetricFamily("process_resident_memory_bytes", .gauge, "Bytes of memory that are resident.")
  let virtual = MetricFamily("process_virtual_memory_bytes", .gauge, "Bytes of address space.")
  let descriptors = MetricFamily("process_open_fds", .gauge, "Open files and sockets.")
  let descriptorsMax = MetricFamily(
    "process_max_fds", .gauge, "The most files and sockets that the process may have open.")
  let start = MetricFamily("process_start_time_seconds", .gauge, "When the process began, in seconds since 1970.")
  let scrape = MetricFamily(
    "millrace_metrics_scrape_seconds", .gauge,
    "Seconds that the scrape before this one took, from the request to its text.")
  let build = MetricFamily("millrace_build_info", .gauge, ["version"], "1.")
}
