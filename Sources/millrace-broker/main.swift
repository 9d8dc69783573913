import Broker
import StorageArms

// The program is in the library, where tests reach it.
exitWithBroker(CommandLine.arguments, arms: .all)
