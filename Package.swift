// swift-tools-version: 6.2
import PackageDescription

// What each target may import is an architecture decision: docs/architecture.md lists it and TidyTests checks it.

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let dequeModule = Target.Dependency.product(name: "DequeModule", package: "swift-collections")

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
  // The tests' own code is compiled without optimisation, also beside optimised modules: that takes half the time.
  .testTarget(
    name: name, dependencies: dependencies, resources: resources,
    swiftSettings: strict + [.unsafeFlags(["-Onone"], .when(configuration: .release))])
}

func systemLibrary(_ name: String, apt package: String) -> Target {
  .systemLibrary(name: name, providers: [.apt([package])])
}

let package = Package(
  name: "millrace",
  products: [
    .executable(name: "millrace", targets: ["millrace"]),
    .executable(name: "millrace-broker", targets: ["millrace-broker"]),
    .executable(name: "millrace-load", targets: ["millrace-load"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
  ],
  targets: [
    // C: system calls Swift's Glibc overlay lacks, CRC-32C, and the system's compression libraries.
    .target(name: "CMillrace"),
    systemLibrary("Czlib", apt: "zlib1g-dev"),
    systemLibrary("Clz4", apt: "liblz4-dev"),
    systemLibrary("Czstd", apt: "libzstd-dev"),
    systemLibrary("Csnappy", apt: "libsnappy-dev"),
    systemLibrary("Czookeeper", apt: "libzookeeper-mt-dev"),
    // What the append log is compared with: trees of three kinds.
    systemLibrary("Clmdb", apt: "liblmdb-dev"),
    systemLibrary("Csqlite", apt: "libsqlite3-dev"),
    systemLibrary("Crocksdb", apt: "librocksdb-dev"),

    library("Base", []),
    library("Measure", []),
    library("Compression", ["Czlib", "Clz4", "Czstd", "Csnappy", nioCore]),
    library("Model", ["Compression", "CMillrace", nioCore]),
    library("Wire", ["Model", nioCore]),
    library("Storage", ["Model", "Base", "CMillrace", nioCore]),
    library("StorageArms", ["Storage", "Model", "CMillrace", "Clmdb", nioCore]),
    library("Cluster", ["Model", "Base"]),
    library(
      "Security",
      [
        "Model", "Base", .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "CryptoExtras", package: "swift-crypto"), .product(name: "SwiftASN1", package: "swift-asn1"),
      ]),
    library("TLS", ["Security", nioCore, .product(name: "NIOSSL", package: "swift-nio-ssl")]),
    library("Coordination", ["Storage", "Base", "CMillrace", "Czookeeper"]),
    // What clients did, and what of it Kafka's contract forbids.
    library("Histories", ["Model"]),
    library("Client", ["Security", "TLS", "Wire", "Model", "Compression", "Base", "CMillrace", nioCore, nioPosix]),
    library(
      "Broker",
      [
        "Storage", "Cluster", "Security", "TLS", "Coordination", "Client", "Wire", "Model", "Compression", "Base",
        "CMillrace", nioCore, nioPosix, nioHTTP1, nioTLS, logging, dequeModule,
      ]),
    // The shipped broker in a world that follows from a seed.
    library(
      "Simulation",
      [
        "Broker", "Cluster", "Coordination", "Storage", "Client", "Wire", "Model", "Compression", "Base", "CMillrace",
        nioCore, .product(name: "NIOEmbedded", package: "swift-nio"), logging,
      ]),
    library(
      "Load",
      [
        "Histories", "Coordination", "Client", "Wire", "Model", "Compression", "Measure", "Base", "CMillrace", nioCore,
        nioPosix, .product(name: "Histogram", package: "hdrhistogram-swift"),
      ]),
    // What Kafka's administrative tools do, for the command line.
    library("Administration", ["Client", "Security", "Wire", "Model", "Base", nioCore]),
    // The lab: each imports only those above it.
    library("Experiment", ["Base", "Measure", .product(name: "Yams", package: "Yams")]),
    library("Verdict", ["Experiment", "Measure", "Base"]),
    library(
      "Mechanisms",
      [
        "Verdict", "Load", "Compression", "Model", "Measure", "Base", "CMillrace", "Clmdb", "Csqlite", "Crocksdb",
        nioCore, argumentParser, .product(name: "Crypto", package: "swift-crypto"),
      ]),
    library(
      "Results",
      [
        "Experiment", "Verdict", "Mechanisms", "Compression", "Measure", "Base", "CMillrace", nioCore,
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    library(
      "Runner",
      ["Experiment", "Verdict", "Results", "Measure", "Load", "Mechanisms", "Wire", "Base", "CMillrace", nioCore]),
    library(
      "Report",
      ["Experiment", "Verdict", "Results", "Runner", "Measure", .product(name: "Mustache", package: "swift-mustache")]),

    // Trials of whole clusters: mechanisms that start ZooKeeper and brokers, and do them harm.
    library(
      "Trials",
      [
        "Runner", "Mechanisms", "Measure", "Client", "Cluster", "Coordination", "Compression", "Wire", "Model", "Base",
        nioCore, argumentParser,
      ]),

    program(
      "millrace",
      [
        "Experiment", "Measure", "Verdict", "Results", "Runner", "Trials", "Report", "Load", "Mechanisms", "Simulation",
        "Administration", "Security", "Compression", "Coordination", "Storage", "Broker", "Model", "Base",
        argumentParser,
      ]),
    program("millrace-broker", ["Broker", "StorageArms"]),
    program("millrace-load", ["Load"]),

    // What several test targets share.
    .target(name: "TestSupport", dependencies: ["Base"], path: "Tests/TestSupport", swiftSettings: strict),
    .target(name: "DiskSupport", dependencies: ["Storage"], path: "Tests/DiskSupport", swiftSettings: strict),
    tests("BaseTests", ["Base"]),
    tests("MeasureTests", ["Measure"]),
    tests("CompressionTests", ["Compression", "Csnappy", "TestSupport", nioCore]),
    tests("ModelTests", ["Model", "Compression", "CMillrace", "TestSupport", nioCore], resources: [.copy("Golden")]),
    tests("WireTests", ["Wire", "Model", "Base", nioCore], resources: [.copy("Golden")]),
    tests(
      "StorageTests",
      ["Storage", "StorageArms", "Model", "Base", "Compression", "CMillrace", "DiskSupport", nioCore],
      resources: [.copy("Golden")]),
    tests("ClusterTests", ["Cluster", "Model", "Base", "TestSupport"], resources: [.copy("Scripts")]),
    tests("SecurityTests", ["Security", "Base", .product(name: "Crypto", package: "swift-crypto")]),
    tests("HistoriesTests", ["Histories", "Model", "Base"]),
    tests("CoordinationTests", ["Coordination", "Storage", "Model", "Base", "DiskSupport", "TestSupport"]),
    .target(
      name: "ClientSupport", dependencies: ["Client", "Wire", nioCore, nioPosix], path: "Tests/ClientSupport",
      swiftSettings: strict),
    tests(
      "ClientTests", ["Client", "Cluster", "ClientSupport", "Wire", "Model", "Base", "Compression", nioCore, nioPosix]),
    tests(
      "BrokerTests",
      [
        "Broker", "Storage", "StorageArms", "Cluster", "Security", "Coordination", "Client", "Wire", "Model", "Base",
        "Compression", "CMillrace", "TestSupport", "DiskSupport", nioCore, nioPosix,
        .product(name: "NIOEmbedded", package: "swift-nio"), logging,
      ]),
    tests("SimulationTests", ["Simulation", "Storage", "Model", "Base", "TestSupport", nioCore]),
    tests("LoadTests", ["Load", "Histories", "Base", "Client", "Wire", "Model", "Compression", nioCore, nioPosix]),
    tests(
      "AdministrationTests",
      ["Administration", "Security", "Client", "ClientSupport", "Wire", "Model", "Base", nioCore, nioPosix]),
    tests("MechanismsTests", ["Mechanisms", "Compression", "Model", "Base", nioCore]),
    .target(
      name: "LabFixtures", dependencies: ["Measure", "Mechanisms", "Experiment", "Verdict", "Results", "Base"],
      path: "Tests/LabFixtures",
      swiftSettings: strict),
    tests("ExperimentTests", ["LabFixtures", "Mechanisms", "Measure", "Experiment", "Verdict", "Results"]),
    tests("VerdictTests", ["LabFixtures", "Measure", "Experiment", "Verdict", "Results", "Base"]),
    tests("ResultsTests", ["LabFixtures", "Measure", "Experiment", "Verdict", "Results"]),
    tests(
      "RunnerTests",
      ["LabFixtures", "Measure", "Experiment", "Verdict", "Results", "Runner", "Mechanisms", "Load", "Model", "Base"]),
    tests("TrialsTests", ["Trials", "Mechanisms", "Measure", argumentParser]),
    tests("ReportTests", ["LabFixtures", "Measure", "Experiment", "Verdict", "Results", "Runner", "Report"]),
    tests("TidyTests", []),
    // Runs the three programs as a user would: as processes.
    tests(
      "EndToEndTests",
      ["Client", "Coordination", "Wire", "Model", "Base", "Compression", "TestSupport", nioCore, nioPosix]),
  ]
)
