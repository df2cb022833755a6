// Package haproxy makes a config file of weir's from the SMTP part of an
// haproxy.cfg. It owns what is known here of that file's syntax. It knows
// nothing of the machine, reads no files and checks nothing but syntax: what it
// writes is for a person to read, and then for config to check.
//
// A file passes through in three steps: words (lex.go) become sections, of which
// each has the lines of its defaults before its own (sections.go); those that
// carry SMTP are picked (pick.go); and their lines become listeners (listener.go)
// and pools (pool.go, server.go), which are written (write.go).
//
// Nothing is dropped in silence. A line without an equivalent becomes a comment
// at its place, with the reason. A line whose equivalent weir does not have yet
// becomes a comment that holds the future setting.
package haproxy
