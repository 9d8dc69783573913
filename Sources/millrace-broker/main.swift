import Broker
import StorageArms

// All of it is in the library, where tests reach it; top-level code is on the main actor, which nothing here needs.
exitWithBroker(CommandLine.arguments, arms: .all)
