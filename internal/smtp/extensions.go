package smtp

// Extensions is a set of the extensions that parameters of MAIL and RCPT belong
// to: what a session offers its sender, or what a connector offers. The bits are
// those of backend.Extension, so that the one is converted into the other.
type Extensions uint32

// The extensions, by what EHLO announces. Bits of others mean nothing here.
const (
	With8BitMIME   Extensions = 1 << 2  // RFC 6152
	WithSize       Extensions = 1 << 4  // RFC 1870
	WithUTF8       Extensions = 1 << 5  // SMTPUTF8, RFC 6531
	WithDSN        Extensions = 1 << 6  // RFC 3461
	WithRequireTLS Extensions = 1 << 7  // RFC 8689
	WithBinaryMIME Extensions = 1 << 8  // RFC 3030
	WithDeliverBy  Extensions = 1 << 9  // RFC 2852
	WithPriority   Extensions = 1 << 10 // MT-PRIORITY, RFC 6710
	WithAuth       Extensions = 1 << 12 // RFC 4954
)

// everything stands for a connector that offers all of them.
const everything = ^Extensions(0)

// has reports whether every given extension is in the set.
func (e Extensions) has(ext Extensions) bool { return e&ext == ext }
