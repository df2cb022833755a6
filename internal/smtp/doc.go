// Package smtp is the wire: how commands and replies are written and read, and
// what the octets of a message may look like on their way.
//
// A sender's line is read by [Reader], taken apart by [ParseCommand], [ParseMail]
// and [ParseRcpt], and never travels on as it came: commands to connectors are
// made anew from the parsed form. Content passes through [Scanner] (DATA) or
// [Normalizer] (BDAT), which find its end and mend or report bare CR and LF, so
// that no two servers can disagree about where a message ends. [Headers] looks at
// the header section on the way. Replies of connectors are read by
// [Reader.ReadReply] within strict bounds.
//
// The package owns no connection and no deadline, keeps no policy, and uses the
// standard library only. On the steady path nothing here allocates per command
// or per block.
package smtp
