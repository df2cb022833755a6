// Package certs keeps what weir shows at the edge when a sender asks for TLS: the
// certificates of a listener with their keys, the authority that client certificates
// are held against, and the keys of session tickets. It owns these files' reading and
// checking, the choice among certificates, and the certificate that weir makes for
// itself where none is given. It opens no sockets and knows nothing of SMTP, of
// connectors or of their certificates.
//
// A file passes through it so. [New] reads all of them and makes an outfit, which
// never changes (load.go); any fault is an error there. [Store.TLSConfig] gives each
// handshake the newest outfit, which chooses by the name that the sender asked for and
// by what it can verify (choose.go). [Store.Run] looks at the files when the kernel
// tells of a change, and now and then in any case (watch.go). What has changed and is
// sound goes into the next outfit; for what is broken its last sound state stays, and
// [Config].Tell is told.
//
// A handshake that has begun keeps its outfit, and so do established connections:
// nothing here ever disturbs one.
package certs
