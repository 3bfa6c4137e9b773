package name

// Common is the table of common types, for its test.
func Common() map[string]string { return common }
