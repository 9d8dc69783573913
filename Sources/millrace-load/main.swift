import Glibc
import Load

exit(await LoadCommand.main(Array(CommandLine.arguments.dropFirst())))
