import Administration
import ArgumentParser
import Foundation

/// The options of every command that speaks to a cluster.
struct ClusterOptions: ParsableArguments {
  @Option(help: "HOST:PORT of brokers of the cluster, separated by commas.") var bootstrapServer: String
  @Option(help: "A file of Kafka's client properties (security.protocol, sasl.*, ssl.*) for secured clusters.")
  var commandConfig: String?
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard Address.isList(bootstrapServer) else {
      throw ValidationError("--bootstrap-server \(bootstrapServer): HOST:PORT,HOST:PORT,… is needed")
    }
  }

  /// Runs `body` against the cluster, and prints its answer: text or, with `--json`, one document on standard output, and notes on
  /// standard error. Exit code 1 when the cluster refused a part, 64 for arguments that do not go together, 69 when it cannot
  /// be reached or refuses everything.
  func answer(_ body: (ClusterSession) async throws -> Answer) async throws {
    let answer: Answer
    do {
      answer = try await ClusterSession.with(bootstrapServer, commandConfig: commandConfig, body)
    } catch let error as AdministrationError where error.isOfArguments {
      throw ValidationError(error.description)
    } catch {
      Terminal.complain("\(error)")
      throw Exit.unavailable
    }
    for note in answer.notes { Terminal.complain(note) }
    if json {
      Terminal.answer(answer.document)
    } else {
      for line in answer.lines { Terminal.answer(line) }
    }
    if answer.isRefused { throw Exit.failed }
  }
}

/// Turns what is wrong with arguments into the parser's error, before the cluster is spoken to.
func checkingArguments<Value>(_ body: () throws -> Value) throws -> Value {
  do {
    return try body()
  } catch let error as AdministrationError {
    throw ValidationError(error.description)
  }
}

/// Reads a file that an option names; a missing one ends the command with exit code 65.
func textOfFile(_ path: String) throws -> String {
  do {
    return try String(contentsOfFile: path, encoding: .utf8)
  } catch {
    Terminal.complain("\(path) cannot be read: \(error.localizedDescription)")
    throw Exit.badData
  }
}
