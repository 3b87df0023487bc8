#pragma once

#include <pwd.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace weir::testing_support {

// Servers of others that tests start. What goes wrong ends the test program with a message.

/// A port of 127.0.0.1 that nobody listens on.
int free_port();

/// Whom they run as when the tests run as root, whom they refuse to serve: the user of PostgreSQL's
/// package. Null when the tests don't.
const passwd* server_user();

/// A new folder that this user may write to, under where temporary files go, or in `parent`.
std::string server_folder(const std::string& parent = {});

/// The same in memory, where there is room for many, for what need not outlast a crash: disks take
/// long over thousands of small files that come and go. It takes away those that test programs
/// which were killed have left there.
std::string server_folder_in_memory();

/// Starts it as that user, in the folder, with its output in the file "log" there. It goes when the
/// test program does, however that ends.
pid_t start_server(const std::vector<std::string>& command, const std::string& folder);

/// Its wait status, once it has ended.
int wait_for(pid_t process);

}  // namespace weir::testing_support
