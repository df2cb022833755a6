// Package smtp is the wire: how commands and replies are written and read, and
// what the octets of a message may look like on their way.
//
// A sender's line is read by [Reader], taken apart by [ParseCommand] and by the
// parser of its verb ([ParseMail], [ParseRcpt], [ParseBdat], [ParseAuth],
// [ParseXClient], [ParseXForward]), and never travels on as it came: commands to
// connectors are made anew from the parsed form, with what the connector offers
// ([Mail.AppendFor], [Rcpt.AppendFor]). Content passes through [Scanner] (DATA) or
// [Normalizer] (BDAT), which find its end and mend or report bare CR and LF, so
// that no two servers can disagree about where a message ends; they do so where it
// lies ([Scanner.InPlace]), as far as it grows no longer. [Headers] looks at
// the header section on the way. Replies of connectors are read by
// [Reader.ReadReply] within strict bounds.
//
// A reader holds no buffer while it waits, provided that it reads from a
// [weir/internal/socket.Conn]. Over TLS everything is as without, provided that TLS runs
// over what [UnderTLS] returns.
//
// The package owns no connection and no deadline, makes no handshake, keeps no
// policy, and uses nothing but the standard library and that. On the steady path nothing here
// allocates per command or per block.
package smtp
