import Load

LoadCommand.runProgram(Array(CommandLine.arguments.dropFirst()))
