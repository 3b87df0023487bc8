#pragma once

namespace weir::sqlite {

/// Registers, once, a VFS above the named one (none: the system's) whose write-ahead logs grow in
/// steps ahead of what is written, and gives its name; or null when there is no such VFS.
/// Why: a sync after a write past a file's end has the file system commit its new size and blocks
/// as well, which takes about as long again as the data. In room that was written once, with
/// zeros, a sync is the data alone. SQLite takes zeros at a log's end for what they are: no frames.
/// Threads: any.
const char* preallocating_vfs(const char* below);

}  // namespace weir::sqlite
