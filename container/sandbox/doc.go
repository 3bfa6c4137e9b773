// Package sandbox shows what jobs leave in their session directories.
//
// The directory of session 0123…ef is <root>/01/0123…ef: the first two digits,
// then all 32. It is made when the job starts and belongs to the job's account;
// nobody else reads it but through this package. The levels above are never
// listed.
//
// Only regular files and directories are shown, and only by walking down from
// the session directory one name at a time: no symbolic link is ever followed,
// wherever it leads, no file with a second name (hard link) is opened, nor a
// pipe or a device. What changes between being looked at and being opened is
// refused. So whatever a job puts into its sandbox, nothing outside of it comes
// out.
//
// There are two ways in. [Local] reads a tree that the process itself may read,
// through os.Root. [Launched] asks gatehouse-launch for each file, on a signed
// grant, and gets an open descriptor: that is how a container without privilege
// reads the files of another account.
//
// Limits: paths of at most [MaxPath] bytes and [MaxDepth] names, listings of at
// most [MaxEntries] entries (a longer one is cut, and says so). A [Quota] bounds
// bytes, files and depth; container/job looks now and then and stops a job that
// exceeds it. Between two looks a job can write more: a site that cannot bear
// this puts the sandboxes on a file system of their own.
package sandbox
